#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log/log.h"
#include "observe/observe.h"
#include "tests/cluster/member.h"

void member_init_over(struct member *member, struct log_disk *disk, uint64_t seed)
{
	memset(member, 0, sizeof *member);
	member->faulty = faulty_disk_create(disk);
	member->segment_size = LOG_SEGMENT_SIZE_MIN;
	host_init(&member->host, faulty_disk_door(member->faulty), seed);
}

void member_init_on(struct member *member, struct memory_disk *memory, uint64_t seed)
{
	member_init_over(member, memory_disk_door(memory), seed);
	member->memory = memory;
}

void member_init(struct member *member, uint64_t seed)
{
	member_init_on(member, memory_disk_create(), seed);
}

void member_finish(struct member *member)
{
	member_close(member);
	if (member->memory != NULL)
		assert_int_equal(memory_disk_handles(member->memory), 0);
	faulty_disk_destroy(member->faulty);
	memory_disk_destroy(member->memory);
}

int member_try_open(struct member *member, struct clog_error *err)
{
	const struct cluster_options options = {
		.data = MEMBER_DATA, .name = MEMBER_NAME, .segment_size = member->segment_size};
	assert_null(member->cluster);
	member->host.wake_at_ms = HOST_NEVER;
	member->host.turn_wanted = false;
	int rc = cluster_open(&member->cluster, &options, &member->host.door, err);
	if (rc != 0) {
		member->cluster = NULL;
		return rc;
	}
	rc = cluster_start(member->cluster, err);
	if (rc != 0) {
		member_close(member);
		return rc;
	}
	member->service = cluster_service(member->cluster);
	return 0;
}

void member_open(struct member *member)
{
	struct clog_error err = {0};
	if (member_try_open(member, &err) != 0)
		fail_msg("the member could not be opened: %s", err.text);
}

static void on_stopped(void *arg)
{
	struct member *member = arg;
	member->stops++;
}

void member_stop(struct member *member)
{
	assert_int_equal(member->stops, 0);
	cluster_stop(member->cluster, on_stopped, member);
	host_settle(&member->host);
	assert_int_equal(member->stops, 1);
	assert_false(host_busy(&member->host));
}

void member_close(struct member *member)
{
	if (member->cluster == NULL)
		return;
	if (member->stops == 0)
		member_stop(member);
	cluster_close(member->cluster);
	assert_null(member->host.door.cluster);
	member->cluster = NULL;
	member->service = NULL;
	member->stops = 0;
}

void member_kill(struct member *member)
{
	struct memory_disk *left = memory_disk_clone(member->memory);
	memory_disk_watch(member->memory, NULL, NULL);
	/* The dead one's memory is freed in the way of the living, on a disk that nobody looks at any more. */
	member->dying = true;
	member_close(member);
	member->dying = false;
	faulty_disk_destroy(member->faulty);
	memory_disk_destroy(member->memory);
	member->memory = left;
	member->faulty = faulty_disk_create(memory_disk_door(left));
	member->host.door.disk = faulty_disk_door(member->faulty);
}

void member_reopen(struct member *member)
{
	member_stop(member);
	member_close(member);
	member_open(member);
}

void member_hush(void)
{
	static FILE *nowhere;
	if (nowhere == NULL)
		nowhere = fopen("/dev/null", "w");
	assert_non_null(nowhere);
	observe_output(nowhere, OBSERVE_ERROR);
}

/* ---- Appends ---- */

static void on_append(struct service_append *append, void *arg)
{
	struct sent *sent = (struct sent *)append;
	assert_ptr_equal(arg, sent);
	if (sent->member->dying)
		return;
	sent->answers++;
	sent->place = ++sent->member->answers;
	if (sent->then != NULL)
		sent->then(sent);
}

void member_send(struct member *member, struct sent *sent, const void *data, const uint32_t *sizes, uint32_t count)
{
	sent->member = member;
	sent->answers = 0;
	sent->refused = service_append(member->service, &sent->append, data, sizes, count, on_append, sent);
	assert_true(sent->refused <= 0);
	assert_int_equal(sent->answers, 0);
}

void member_send_one(struct member *member, struct sent *sent, const void *data, uint32_t size)
{
	member_send(member, sent, data, &size, 1);
}

void member_send_under_many(struct member *member, struct sent *sent, const struct service_session *session,
                            uint64_t sequence, const void *data, const uint32_t *sizes, uint32_t count)
{
	sent->member = member;
	sent->answers = 0;
	sent->refused = service_append_under(member->service, &sent->append, session, sequence, SERVICE_ANYWHERE, data,
	                                     sizes, count, on_append, sent);
}

void member_send_under(struct member *member, struct sent *sent, const struct service_session *session,
                       uint64_t sequence, uint64_t expected, const char *text)
{
	const uint32_t size = (uint32_t)strlen(text);
	sent->member = member;
	sent->answers = 0;
	sent->refused = service_append_under(member->service, &sent->append, session, sequence, expected, text, &size,
	                                     1, on_append, sent);
}

void member_send_text(struct member *member, struct sent *sent, const char *text)
{
	member_send_one(member, sent, text, (uint32_t)strlen(text));
}

uint64_t member_append(struct member *member, const void *data, uint32_t size)
{
	struct sent sent = {0};
	member_send_one(member, &sent, data, size);
	assert_int_equal(sent.refused, 0);
	while (sent.answers == 0 && host_step(&member->host))
		continue;
	assert_int_equal(sent.answers, 1);
	assert_int_equal(sent.append.status, 0);
	return sent.append.first_offset;
}

uint64_t member_append_text(struct member *member, const char *text)
{
	return member_append(member, text, (uint32_t)strlen(text));
}

void member_expect_done(const struct sent *sent, uint64_t offset)
{
	member_expect_status(sent, 0);
	assert_int_equal(sent->append.first_offset, offset);
}

void member_expect_status(const struct sent *sent, int status)
{
	assert_int_equal(sent->refused, 0);
	assert_int_equal(sent->answers, 1);
	assert_int_equal(sent->append.status, status);
}

void member_expect_pending(const struct sent *sent)
{
	assert_int_equal(sent->refused, 0);
	assert_int_equal(sent->answers, 0);
}

/* ---- Reads ---- */

static void on_read(struct service_read *read, void *arg)
{
	struct asked *asked = (struct asked *)read;
	assert_ptr_equal(arg, asked);
	asked->answers++;
}

int member_ask(struct member *member, struct asked *asked, enum service_read_kind kind, uint64_t at, uint32_t size)
{
	*asked = (struct asked){.read = {.kind = kind, .offset = at, .position = at, .size = size}};
	asked->rc = service_read(member->service, &asked->read, on_read, asked);
	assert_true(asked->rc <= SERVICE_DONE);
	assert_int_equal(asked->answers, 0);
	return asked->rc;
}

int member_read(struct member *member, struct asked *asked, enum service_read_kind kind, uint64_t at, uint32_t size)
{
	int rc = member_ask(member, asked, kind, at, size);
	if (rc < 0)
		return rc;
	while (rc == SERVICE_PENDING && asked->answers == 0 && host_step(&member->host))
		continue;
	assert_int_equal(asked->answers, rc == SERVICE_PENDING);
	return asked->read.status;
}

void member_end(struct member *member, struct asked *asked)
{
	if (asked->rc >= 0)
		service_read_end(member->service, &asked->read);
}

void member_expect(struct member *member, uint64_t offset, const void *data, size_t size)
{
	struct asked asked;
	assert_int_equal(member_read(member, &asked, SERVICE_RECORD, offset, 0), 0);
	assert_int_equal(asked.read.record.offset, offset);
	assert_int_equal(asked.read.record.size, size);
	assert_int_equal(asked.read.data_size, size);
	if (size > 0)
		assert_memory_equal(asked.read.data, data, size);
	member_end(member, &asked);
}

void member_expect_text(struct member *member, uint64_t offset, const char *text)
{
	member_expect(member, offset, text, strlen(text));
}

uint64_t member_next(struct member *member)
{
	struct service_state state;
	service_state(member->service, &state);
	return state.next_offset;
}

uint64_t member_entry(struct member *member, uint64_t offset)
{
	struct asked asked;
	assert_int_equal(member_read(member, &asked, SERVICE_STAT, offset, 0), 0);
	uint64_t entry = asked.read.record.entry;
	member_end(member, &asked);
	return entry;
}
