/* What a member does when its disk fails: it stops taking appends, says why, once, and keeps all promises. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/crashes.h"
#include "tests/cluster/ledger.h"

static void fail_disk(struct member *member, unsigned calls, unsigned nth, enum faulty_way way)
{
	faulty_disk_fail(member->faulty, calls, nth, -EIO, way);
}

static void mend_disk(struct member *member)
{
	faulty_disk_fail(member->faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
}

static void open_member(struct member *member)
{
	member_init(member, 1);
	member_open(member);
	host_settle(&member->host);
}

static void count_call(void *arg)
{
	(*(unsigned *)arg)++;
}

/* Two appends in a round and two that wait for the next; the round's n-th call of these kinds fails. */
static void fail_round(struct member *member, struct sent sent[static 4], unsigned calls)
{
	open_member(member);
	for (unsigned i = 0; i < 5; i++)
		member_append_text(member, "before");
	host_settle(&member->host);
	fail_disk(member, calls, 1, FAULTY_ONWARD);
	member_send_text(member, &sent[0], "proposed");
	member_send_text(member, &sent[1], "proposed");
	host_turn(&member->host);
	member_send_text(member, &sent[2], "waiting");
	member_send_text(member, &sent[3], "waiting");
	assert_true(host_run_write(&member->host));
	assert_true(faulty_disk_fired(member->faulty));
	assert_int_equal(member->host.failures, 0);
	assert_true(host_end_write(&member->host));
}

static void expect_stopped(struct member *member)
{
	struct service_state state;
	struct sent sent = {0};
	assert_int_equal(member->host.failures, 1);
	assert_int_equal(member->host.failure.code, -EIO);
	member_send_text(member, &sent, "after");
	assert_int_equal(sent.refused, -ESHUTDOWN);
	service_state(member->service, &state);
	assert_int_equal(state.failure, -EIO);
	assert_int_equal(state.next_offset, 5);
}

static void what_was_proposed_is_unknown_and_what_waited_is_refused(void **state)
{
	const unsigned calls[] = {FAULTY_WRITE, FAULTY_SYNC};
	for (unsigned i = 0; i < 2; i++) {
		struct member member;
		struct sent sent[4] = {0};
		fail_round(&member, sent, calls[i]);
		member_expect_status(&sent[0], -ECONNABORTED);
		member_expect_status(&sent[1], -ECONNABORTED);
		member_expect_status(&sent[2], -ESHUTDOWN);
		member_expect_status(&sent[3], -ESHUTDOWN);
		expect_stopped(&member);
		/* The sentence names the file. */
		assert_non_null(strstr(member.host.failure.text, ".store"));
		member_finish(&member);
	}
}

static void a_failed_member_tells_of_it_once_and_writes_no_more(void **state)
{
	struct member member;
	struct sent sent[4] = {0};
	fail_round(&member, sent, FAULTY_SYNC);
	mend_disk(&member);
	unsigned changes = faulty_disk_count(member.faulty);
	for (unsigned i = 0; i < 50; i++) {
		host_settle(&member.host);
		host_pass(&member.host, 1000);
	}
	cluster_timeout(member.cluster);
	cluster_turn(member.cluster);
	host_settle(&member.host);
	/* Nor has it anything to wake for. */
	assert_int_equal(member.host.wake_at_ms, HOST_NEVER);
	/* The disk was mended, and its failure is final all the same. */
	assert_int_equal(faulty_disk_count(member.faulty), changes);
	expect_stopped(&member);
	assert_int_equal(member.answers, 9);
	member_finish(&member);
}

static void reads_of_what_was_committed_go_on(void **state)
{
	struct member member;
	struct sent sent[4] = {0};
	struct asked asked;
	fail_round(&member, sent, FAULTY_SYNC);
	for (unsigned i = 0; i < 5; i++)
		member_expect_text(&member, i, "before");
	assert_int_equal(member_ask(&member, &asked, SERVICE_RECORD, 5, 0), -ENOENT);
	assert_int_equal(member_read(&member, &asked, SERVICE_STREAM, 0, 1000), 0);
	assert_int_equal(asked.read.data_size, 30);
	member_end(&member, &asked);
	/* Those that must wait, too. */
	memory_disk_set_resident(member.memory, 0, 0);
	member_expect_text(&member, 4, "before");
	member_finish(&member);
}

static void who_waits_for_room_hears_of_the_failure(void **state)
{
	struct member member;
	struct sent sent[4] = {0};
	unsigned calls = 0;
	fail_round(&member, sent, FAULTY_SYNC);
	service_ready(member.service, count_call, &calls);
	host_settle(&member.host);
	assert_int_equal(calls, 1);
	member_finish(&member);
}

static void refuse_again(struct sent *sent)
{
	struct sent *next = sent + 1;
	member_send_text(sent->member, next, "in vain");
	assert_int_equal(next->refused, -ESHUTDOWN);
	/* By then the host knows. */
	assert_int_equal(sent->member->host.failures, 1);
}

static void a_callback_of_the_failure_that_appends_is_refused(void **state)
{
	struct member member;
	struct sent chain[2] = {0};
	chain[0].then = refuse_again;
	open_member(&member);
	fail_disk(&member, FAULTY_SYNC, 1, FAULTY_ONWARD);
	member_send_text(&member, &chain[0], "x");
	host_settle(&member.host);
	member_expect_status(&chain[0], -ECONNABORTED);
	assert_int_equal(chain[1].answers, 0);
	member_finish(&member);
}

static void a_failed_member_stops_and_opens_again(void **state)
{
	struct member member;
	struct sent sent[4] = {0};
	fail_round(&member, sent, FAULTY_SYNC);
	member_stop(&member);
	member_close(&member);
	mend_disk(&member);
	member.host.failures = 0;
	member_open(&member);
	/* The bytes reached the file, so they are found; what was refused is not. */
	assert_int_equal(member_next(&member), 7);
	for (unsigned i = 0; i < 7; i++)
		member_expect_text(&member, i, i < 5 ? "before" : "proposed");
	assert_int_equal(member_append_text(&member, "after"), 7);
	member_finish(&member);
}

static void a_failed_chore_stops_nothing(void **state)
{
	struct member member;
	unsigned char data[3000] = {0};
	member_init(&member, 1);
	member_open(&member);
	/* A file that is being made ahead, or an index, goes by a name of its own. */
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(member_append(&member, data, sizeof data), i);
		host_turn(&member.host);
		if (member.host.chore.job == NULL || member.host.chore.ran)
			continue;
		fail_disk(&member, FAULTY_CHANGE | FAULTY_OPEN, 1, FAULTY_ONWARD);
		host_run_chore(&member.host);
		mend_disk(&member);
		host_end_chore(&member.host);
	}
	assert_int_equal(member.host.failures, 0);
	member_reopen(&member);
	assert_int_equal(member_next(&member), 100);
	member_finish(&member);
}

static void a_full_disk_refuses_appends_until_there_is_room(void **state)
{
	struct member member;
	unsigned char data[1000] = {0};
	struct sent sent = {0};
	uint64_t count = 0;
	open_member(&member);
	memory_disk_set_room(member.memory, 400000);
	do {
		member_send_one(&member, &sent, data, sizeof data);
		host_settle(&member.host);
		assert_true(++count < 1000);
	} while (sent.append.status == 0);
	member_expect_status(&sent, -ENOSPC);
	assert_int_equal(member.host.failures, 0);
	assert_int_equal(member_next(&member), count - 1);
	memory_disk_set_room(member.memory, UINT64_MAX);
	/* After a while the first one that is refused has the room looked for; those after it find it. */
	host_pass(&member.host, CLUSTER_CHORE_AGAIN_MS);
	member_send_one(&member, &sent, data, sizeof data);
	host_settle(&member.host);
	member_send_one(&member, &sent, data, sizeof data);
	host_settle(&member.host);
	member_expect_status(&sent, 0);
	member_reopen(&member);
	assert_true(member_next(&member) >= count);
	member_finish(&member);
}

/* ---- The Nth call fails ---- */

struct trial {
	struct member member;
	struct ledger ledger;
	bool fired;
};

/* Segments are filled, sealed and prepared, records are read, the member rests; while some call of the disk fails. */
static void live(struct trial *trial, unsigned calls, unsigned nth, enum faulty_way way)
{
	struct member *member = &trial->member;
	fail_disk(member, calls, nth, way);
	for (unsigned i = 0; i < 25; i++) {
		ledger_send(&trial->ledger, member, 2500);
		for (unsigned steps = 0; steps < i % 5; steps++)
			host_step(&member->host);
		if (i % 3 == 0)
			ledger_read(&trial->ledger, member, -EIO);
		if (i % 10 == 9) {
			host_settle(&member->host);
			host_pass(&member->host, CLUSTER_IDLE_MS);
		}
	}
	host_settle(&member->host);
	trial->fired = faulty_disk_fired(member->faulty);
	mend_disk(member);
}

static void judge(struct trial *trial, const char *when)
{
	if (ledger_broken(&trial->ledger) != 0)
		fail_msg("%s: %s", when, trial->ledger.broken.text);
}

/* Power is lost and the member starts again. */
static void restart(struct trial *trial)
{
	struct member *member = &trial->member;
	ledger_cut(&trial->ledger);
	member_kill(member);
	crashes_any(member->memory, &trial->ledger.dice);
	member->host.failures = 0;
	member_open(member);
	ledger_check(&trial->ledger, member);
}

static bool try_nth(unsigned calls, unsigned nth, enum faulty_way way)
{
	struct trial trial;
	ledger_init(&trial.ledger, nth);
	member_init(&trial.member, nth);
	member_open(&trial.member);
	live(&trial, calls, nth, way);
	judge(&trial, "at the fault");
	struct host *host = &trial.member.host;
	bool fired = trial.fired;
	assert_true(host->failures <= (fired ? 1 : 0));
	for (size_t i = 0; i < trial.ledger.line_count; i++) {
		const struct ledger_line *line = trial.ledger.lines[i];
		assert_int_not_equal(line->fate, LEDGER_PENDING);
		assert_true(line->fate == LEDGER_DONE || host->failures == 1);
	}
	restart(&trial);
	judge(&trial, "after a power cut");
	live(&trial, FAULTY_ANY, 0, FAULTY_ONCE);
	judge(&trial, "later");
	restart(&trial);
	judge(&trial, "after another power cut");
	member_finish(&trial.member);
	ledger_finish(&trial.ledger);
	return fired;
}

static void every_fault_keeps_every_promise(void **state)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_PARTLY, FAULTY_ONWARD};
	for (unsigned way = 0; way < 3; way++) {
		unsigned nth = 1;
		while (try_nth(FAULTY_ANY, nth, ways[way]))
			nth++;
		printf("failure: %u calls\n", nth - 1);
		assert_true(nth > 50);
	}
}

/* ---- The Nth call of opening fails ---- */

static bool open_fails(unsigned nth, bool fresh, enum faulty_way way)
{
	struct member member;
	struct clog_error err = {0};
	member_init(&member, nth);
	if (!fresh) {
		member_open(&member);
		member_append_text(&member, "kept");
		member_close(&member);
	}
	fail_disk(&member, FAULTY_ANY, nth, way);
	int rc = member_try_open(&member, &err);
	bool fired = faulty_disk_fired(member.faulty);
	mend_disk(&member);
	if (rc != 0) {
		assert_true(fired);
		assert_int_equal(rc, -EIO);
		assert_int_equal(err.code, -EIO);
		/* The sentence begins with a file's name: in the folder, or of what the folder is in. */
		assert_true(strncmp(err.text, MEMBER_DATA, strlen(MEMBER_DATA)) == 0 ||
		            strncmp(err.text, ".: ", 3) == 0);
		assert_int_equal(memory_disk_handles(member.memory), 0);
		/* Tried again, it works. */
		member_open(&member);
	}
	assert_int_equal(member_next(&member), fresh ? 0 : 1);
	if (!fresh)
		member_expect_text(&member, 0, "kept");
	member_append_text(&member, "more");
	member_kill(&member);
	memory_disk_crash(member.memory, NULL, NULL);
	member_open(&member);
	member_expect_text(&member, fresh ? 0 : 1, "more");
	member_finish(&member);
	return fired;
}

static void every_fault_in_opening_is_an_error_or_harmless(void **state)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_PARTLY, FAULTY_ONWARD};
	for (unsigned way = 0; way < 3; way++) {
		for (unsigned fresh = 0; fresh < 2; fresh++) {
			unsigned nth = 1;
			while (open_fails(nth, fresh == 1, ways[way]))
				nth++;
			assert_true(nth > 15);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_proposed_is_unknown_and_what_waited_is_refused),
		cmocka_unit_test(a_failed_member_tells_of_it_once_and_writes_no_more),
		cmocka_unit_test(reads_of_what_was_committed_go_on),
		cmocka_unit_test(who_waits_for_room_hears_of_the_failure),
		cmocka_unit_test(a_callback_of_the_failure_that_appends_is_refused),
		cmocka_unit_test(a_failed_member_stops_and_opens_again),
		cmocka_unit_test(a_failed_chore_stops_nothing),
		cmocka_unit_test(a_full_disk_refuses_appends_until_there_is_room),
		cmocka_unit_test(every_fault_keeps_every_promise),
		cmocka_unit_test(every_fault_in_opening_is_an_error_or_harmless),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
