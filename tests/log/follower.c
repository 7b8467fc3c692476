#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/follower.h"

#define FRAME_SIZE 3000u

struct log_disk *follower_disk(struct follower *follower)
{
	return follower->faulty != NULL ? faulty_disk_door(follower->faulty) : memory_disk_door(follower->memory);
}

/* The other log lives only as long as it takes to make its frames. */
static void make_leader(struct follower *follower)
{
	struct memory_disk *memory = memory_disk_create();
	struct log *log = script_open(memory_disk_door(memory));
	for (uint64_t entry = 1; entry <= FOLLOWER_LEADS; entry++) {
		uint32_t size = 9000;
		bool large = entry % 7 == 0;
		struct log_tail tail = follower->tails[entry - 1];
		struct log_frame *frame = large ? script_frame(log, &follower->dice, tail.term == 0 ? 1 : tail.term,
		                                               &size, 1)
		                                : script_any_frame(log, &follower->dice, FRAME_SIZE);
		follower->frames[entry] = log_frame_ref(frame);
		script_append(log, &follower->leader, frame);
		log_tail(log, &follower->tails[entry]);
	}
	log_close(log);
	memory_disk_destroy(memory);
}

/* Frames of a term that the other log never had; large ones have a segment each. */
static void append_own(struct follower *follower, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t sizes[] = {i % 3 == 0 ? 700 : 12000, 5};
		script_append(follower->log, &follower->old,
		              script_frame(follower->log, &follower->dice, 100, sizes, 2));
		script_sync(follower->log);
		if (i % 4 == 0)
			script_chores(follower->log);
	}
}

void follower_begin(struct follower *follower, uint64_t seed, bool faulty, uint64_t same, unsigned more)
{
	*follower = (struct follower){.memory = memory_disk_create()};
	follower->faulty = faulty ? faulty_disk_create(memory_disk_door(follower->memory)) : NULL;
	dice_init(&follower->dice, seed);
	make_leader(follower);
	follower->log = script_open(follower_disk(follower));
	for (uint64_t entry = 1; entry <= same; entry++) {
		script_append(follower->log, &follower->old, log_frame_ref(follower->frames[entry]));
		script_sync(follower->log);
		if (entry % 5 == 0)
			script_chores(follower->log);
	}
	append_own(follower, more);
	script_mark(follower->log);
}

void follower_end(struct follower *follower)
{
	log_close(follower->log);
	assert_int_equal(memory_disk_handles(follower->memory), 0);
	faulty_disk_destroy(follower->faulty);
	memory_disk_destroy(follower->memory);
	for (uint64_t entry = 1; entry <= FOLLOWER_LEADS; entry++)
		log_frame_unref(follower->frames[entry]);
	model_finish(&follower->leader);
	model_finish(&follower->old);
}

void follower_reopen(struct follower *follower)
{
	log_close(follower->log);
	follower->log = script_open(follower_disk(follower));
}

void follower_state(uint64_t entry, unsigned char *state)
{
	memset(state, (int)(entry * 31 + 7), FOLLOWER_STATE);
	memcpy(state, &entry, sizeof entry);
}

struct log_install follower_offer(const struct follower *follower, uint64_t base, unsigned char *state)
{
	const struct log_tail *tail = &follower->tails[base];
	follower_state(base, state);
	return (struct log_install){.base = *tail,
	                            .first_offset = tail->next_offset,
	                            .first_stream = tail->stream_size,
	                            .state = state,
	                            .state_size = FOLLOWER_STATE};
}

struct log_job *follower_install(struct follower *follower, uint64_t base)
{
	struct clog_error err = {0};
	struct log_job *job;
	unsigned char *state = malloc(FOLLOWER_STATE);
	assert_non_null(state);
	struct log_install install = follower_offer(follower, base, state);
	if (log_install_begin(follower->log, &install, &job, &err) != 0)
		fail_msg("log_install_begin: %s", err.text);
	/* It was borrowed for the call. */
	memset(state, 0xff, FOLLOWER_STATE);
	free(state);
	assert_non_null(job);
	assert_true(log_job_writes(job));
	follower->base = base;
	follower->next = base + 1;
	return job;
}

void follower_renew(struct follower *follower, uint64_t base)
{
	struct clog_error err = {0};
	struct log_job *job = follower_install(follower, base);
	log_job_run(job);
	if (log_job_end(follower->log, job, &err) != 0)
		fail_msg("installing: %s", err.text);
}

void follower_take(struct follower *follower, unsigned count)
{
	for (; count > 0 && follower->next <= FOLLOWER_LEADS; count--) {
		script_append(follower->log, NULL, log_frame_ref(follower->frames[follower->next++]));
		script_sync(follower->log);
		follower->least = log_durable(follower->log);
	}
}

static int check_state(struct log *log, uint64_t base, struct clog_error *err)
{
	unsigned char wanted[FOLLOWER_STATE];
	uint64_t entry = 0;
	void *data = NULL;
	size_t size = 0;
	follower_state(base, wanted);
	int rc = log_state(log, base, &entry, &data, &size);
	if (rc != 0)
		return clog_error_set(err, -EILSEQ, "the state at the base: %d", rc);
	bool right = entry == base && size == FOLLOWER_STATE && memcmp(data, wanted, size) == 0;
	free(data);
	return right ? 0 : clog_error_set(err, -EILSEQ, "the state at the base is another's");
}

int follower_check_new(const struct follower *follower, struct log *log, uint64_t base, struct clog_error *err)
{
	const struct parts parts = {.model = &follower->leader};
	const struct log_tail *must = &follower->tails[base];
	const struct log_damage *damage;
	const struct log_term *terms;
	struct log_tail is, tail;
	struct log_stat stat;
	log_base(log, &is);
	log_tail(log, &tail);
	log_stat(log, &stat);
	if (is.entry != base || is.term != must->term || is.next_offset != must->next_offset ||
	    is.stream_size != must->stream_size || is.time_ns != must->time_ns || is.chain != must->chain)
		return clog_error_set(err, -EILSEQ, "it begins after entry %llu, must be %llu",
		                      (unsigned long long)is.entry, (unsigned long long)base);
	if (stat.first_entry != base + 1 || stat.first_offset != must->next_offset ||
	    stat.stream_begin != must->stream_size || log_term(log, base) != must->term)
		return clog_error_set(err, -EILSEQ, "log_stat or log_term of the base is wrong");
	if (log_term(log, base - 1) != 0 || log_configuration(log, base) != 0 || log_damage(log, &damage) != 0)
		return clog_error_set(err, -EILSEQ, "it knows of what is before its base");
	if (log_terms(log, &terms) > 0 ? terms[0].last_entry <= base : tail.entry > base)
		return clog_error_set(err, -EILSEQ, "its runs of terms are wrong");
	if (tail.entry == base && (tail.chain != must->chain || tail.time_ns != must->time_ns || stat.segments > 1))
		return clog_error_set(err, -EILSEQ, "its end is not its base");
	int rc = check_state(log, base, err);
	return rc == 0 ? parts_check(&parts, log, 3, err) : rc;
}

void follower_expect_new(const struct follower *follower, uint64_t base)
{
	struct clog_error err = {0};
	if (follower_check_new(follower, follower->log, base, &err) != 0)
		fail_msg("the log that begins after entry %u: %s", (unsigned)base, err.text);
}

/* ---- After a crash ---- */

static int open_log(struct memory_disk *disk, struct log **log, struct clog_error *err)
{
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(log, &options, err);
}

static int check_one(struct follower *follower, struct log *log, bool *is_new, struct clog_error *err)
{
	const struct parts parts = {.model = &follower->old};
	struct log_tail base, tail;
	log_base(log, &base);
	log_tail(log, &tail);
	*is_new = base.entry > 0 && base.entry != follower->before;
	if (tail.entry != log_durable(log))
		return clog_error_set(err, -EILSEQ, "what was opened is not durable");
	if (*is_new && !follower->may_be_new)
		return clog_error_set(err, -EILSEQ, "it is the new one");
	if (!*is_new && !follower->may_be_old && follower->before == 0)
		return clog_error_set(err, -EILSEQ, "it is the old one");
	if (!*is_new && base.entry > 0)
		return follower_check_new(follower, log, base.entry, err);
	follower->olds += !*is_new;
	follower->news += *is_new;
	if (*is_new && tail.entry < follower->least)
		return clog_error_set(err, -EILSEQ, "%llu entries are there, must be %llu at least",
		                      (unsigned long long)tail.entry, (unsigned long long)follower->least);
	if (*is_new)
		return follower_check_new(follower, log, follower->base, err);
	if (tail.entry != follower->old.frame_count)
		return clog_error_set(err, -EILSEQ, "of the old one %llu entries are there",
		                      (unsigned long long)tail.entry);
	return parts_check(&parts, log, 5, err);
}

static int expect_no_leftovers(struct memory_disk *disk, struct clog_error *err)
{
	static const char *const paths[] = {"log/install.store", "log/install.index", "log/install.index.new"};
	for (unsigned i = 0; i < 3; i++) {
		size_t size;
		if (memory_disk_bytes(disk, paths[i], &size) != NULL)
			return clog_error_set(err, -EILSEQ, "%s is still there", paths[i]);
	}
	return 0;
}

int follower_judge(struct memory_disk *disk, void *arg, struct clog_error *err)
{
	struct follower *follower = arg;
	struct log_tail before, after, first, base;
	struct log *log;
	bool was_new;
	int rc = open_log(disk, &log, err);
	if (rc != 0)
		return rc;
	rc = check_one(follower, log, &was_new, err);
	if (rc == 0)
		rc = expect_no_leftovers(disk, err);
	log_tail(log, &before);
	log_base(log, &first);
	struct log_frame *frame = NULL;
	assert_int_equal(log_frame_create(&frame), 0);
	log_frame_close(frame, &before, &(struct log_header){.term = 5000, .type = LOG_BARRIER, .time_ns = 1});
	if (rc == 0)
		rc = log_append(log, frame, err);
	if (rc == 0)
		rc = log_sync(log, err);
	uint32_t chain = log_frame_header(frame)->chain;
	log_frame_unref(frame);
	log_close(log);
	memory_disk_crash(disk, NULL, NULL);
	if (rc == 0)
		rc = open_log(disk, &log, err);
	if (rc != 0)
		return rc;
	log_tail(log, &after);
	log_base(log, &base);
	if (base.entry != first.entry || after.chain != chain)
		rc = clog_error_set(err, -EILSEQ, "what was appended after the crash is not there");
	if (rc == 0 && was_new)
		rc = check_state(log, follower->base, err);
	log_close(log);
	return rc;
}
