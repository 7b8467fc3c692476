/* Beginning anew: what the log is then, at once, when the job has ended, and after a start. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/follower.h"

static uint64_t seed;

/* From the first moment on, after the job, after a start, while it goes on, and once more after that. */
static void renew(uint64_t same, unsigned more, uint64_t base, bool again)
{
	struct follower follower;
	follower_begin(&follower, seed, false, same, more);
	if (again)
		follower_reopen(&follower);
	struct log_job *job = follower_install(&follower, base);
	follower_expect_new(&follower, base);
	log_job_run(job);
	follower_expect_new(&follower, base);
	assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	follower_expect_new(&follower, base);
	follower_reopen(&follower);
	follower_expect_new(&follower, base);
	for (unsigned round = 0; round < 4; round++) {
		follower_take(&follower, 7);
		script_chores(follower.log);
		follower_expect_new(&follower, base);
		if (round % 2 == 1)
			follower_reopen(&follower);
		follower_expect_new(&follower, base);
	}
	follower_end(&follower);
}

static void a_log_that_is_behind_begins_anew(void **state)
{
	renew(0, 0, 1, false);
	renew(0, 0, FOLLOWER_LEADS, true);
	for (uint64_t same = 1; same < 30; same += 6)
		for (uint64_t base = same + 1; base < FOLLOWER_LEADS; base += 11)
			renew(same, 0, base, base % 2);
}

/* Its segments have names that the new ones get too. */
static void a_log_with_other_entries_past_the_base_begins_anew(void **state)
{
	for (uint64_t base = 12; base < 40; base++)
		renew(10, 25, base, base % 2);
}

static void a_log_begins_anew_again_and_again(void **state)
{
	struct follower follower;
	follower_begin(&follower, seed, false, 10, 12);
	for (uint64_t base = 12; base < 50; base += 9) {
		follower_renew(&follower, base);
		follower_expect_new(&follower, base);
		follower_take(&follower, base % 2 == 0 ? 8 : 0);
		if (base % 3 != 0)
			follower_reopen(&follower);
		follower_expect_new(&follower, base);
	}
	follower_end(&follower);
}

/* It may take entries while its job is out, and can be cut, trimmed and verified when it is not any more. */
static void a_new_log_does_all_that_a_log_does(void **state)
{
	struct follower follower;
	struct log_tail second;
	struct log_job *job, *other;
	uint64_t next;
	follower_begin(&follower, seed, false, 10, 12);
	job = follower_install(&follower, 20);
	for (; follower.next < 26; follower.next++)
		script_append(follower.log, NULL, log_frame_ref(follower.frames[follower.next]));
	assert_int_equal(log_write_begin(follower.log, true, &other), 0);
	assert_null(other);
	assert_int_equal(log_sync(follower.log, NULL), -EBUSY);
	assert_int_equal(log_chore_begin(follower.log, &other), 0);
	if (other != NULL) {
		log_job_run(other);
		assert_int_equal(log_job_end(follower.log, other, NULL), 0);
	}
	log_job_run(job);
	assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	script_sync(follower.log);
	assert_int_equal(log_durable(follower.log), 25);
	follower_expect_new(&follower, 20);
	assert_int_equal(log_truncate_begin(follower.log, 23, &job, NULL), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	follower.next = 23;
	follower_take(&follower, 37);
	script_chores(follower.log);
	follower_expect_new(&follower, 20);
	assert_int_equal(log_verify_begin(follower.log, 1, &job, &next), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	follower_expect_new(&follower, 20);
	log_after(follower.log, log_durable(follower.log), &second);
	assert_int_equal(log_trim(follower.log, second.next_offset, NULL), 0);
	script_chores(follower.log);
	follower_reopen(&follower);
	struct log_tail base;
	log_base(follower.log, &base);
	assert_true(base.entry > 20);
	parts_expect(&follower.leader, follower.log);
	follower_end(&follower);
}

/* All of the new log can be cut: it is empty then, as it was. */
static void a_new_log_can_be_cut_down_to_its_base(void **state)
{
	struct follower follower;
	struct log_job *job;
	follower_begin(&follower, seed, false, 10, 12);
	follower_renew(&follower, 20);
	assert_int_equal(log_truncate_begin(follower.log, 20, &job, NULL), -EINVAL);
	follower_take(&follower, 20);
	assert_int_equal(log_truncate_begin(follower.log, 20, &job, NULL), -EINVAL);
	assert_int_equal(log_truncate_begin(follower.log, 21, &job, NULL), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	follower_expect_new(&follower, 20);
	follower_reopen(&follower);
	follower_expect_new(&follower, 20);
	follower_end(&follower);
}

/* Records below the first offset come, and are hidden. */
static void records_are_hidden_up_to_the_first_offset(void **state)
{
	struct follower follower;
	unsigned char bytes[FOLLOWER_STATE];
	struct log_job *job;
	struct log_stat stat;
	follower_begin(&follower, seed, false, 3, 0);
	struct log_install install = follower_offer(&follower, 10, bytes);
	uint64_t first = follower.tails[30].next_offset + 1;
	install.first_offset = first;
	install.first_stream = follower.leader.records[first].position;
	assert_int_equal(log_install_begin(follower.log, &install, &job, NULL), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	follower.next = 11;
	for (unsigned i = 0; i < 40; i++) {
		log_stat(follower.log, &stat);
		struct log_tail tail;
		log_tail(follower.log, &tail);
		bool hidden = tail.next_offset < first;
		assert_int_equal(stat.first_offset, hidden ? tail.next_offset : first);
		assert_int_equal(stat.stream_begin, hidden ? tail.stream_size : install.first_stream);
		parts_expect(&follower.leader, follower.log);
		assert_int_equal(log_trim(follower.log, tail.next_offset < first ? tail.next_offset : first, NULL), 0);
		if (i % 3 == 0)
			script_chores(follower.log);
		if (i % 5 == 0)
			follower_reopen(&follower);
		follower_take(&follower, 1);
	}
	log_stat(follower.log, &stat);
	assert_int_equal(stat.first_offset, first);
	follower_end(&follower);
}

static void expect_refused(struct follower *follower, const struct log_install *install, int error)
{
	struct clog_error err = {0};
	struct log_job *job;
	assert_int_equal(log_install_begin(follower->log, install, &job, &err), error);
	assert_null(job);
	assert_true(strlen(err.text) > 10);
	assert_int_equal(log_failure(follower->log, NULL), 0);
}

static void what_cannot_be_is_refused_and_changes_nothing(void **state)
{
	struct follower follower;
	unsigned char bytes[FOLLOWER_STATE];
	follower_begin(&follower, seed, false, 10, 5);
	struct log_install install = follower_offer(&follower, 10, bytes);
	expect_refused(&follower, &install, -EINVAL);
	install = follower_offer(&follower, 5, bytes);
	expect_refused(&follower, &install, -EINVAL);
	install = follower_offer(&follower, 0, bytes);
	expect_refused(&follower, &install, -EINVAL);
	install = follower_offer(&follower, 20, bytes);
	install.state_size = LOG_STATE_SIZE_MAX + 1;
	expect_refused(&follower, &install, -EINVAL);
	parts_expect(&follower.old, follower.log);
	/* Its own last entry, though it is only in memory. */
	install = follower_offer(&follower, 20, bytes);
	script_append(follower.log, &follower.old,
	              script_other_frame(follower.log, &follower.dice, 101, LOG_BARRIER, 0));
	log_tail(follower.log, &install.base);
	expect_refused(&follower, &install, -EINVAL);
	/* Once it has begun anew: nothing at or below its base. */
	follower_renew(&follower, 20);
	install = follower_offer(&follower, 20, bytes);
	expect_refused(&follower, &install, -EINVAL);
	install.base.term = 99;
	expect_refused(&follower, &install, -EINVAL);
	install = follower_offer(&follower, 19, bytes);
	expect_refused(&follower, &install, -EINVAL);
	follower_expect_new(&follower, 20);
	follower_end(&follower);
}

static void offsets_that_a_trim_has_hidden_are_not_given_again(void **state)
{
	struct follower follower;
	unsigned char bytes[FOLLOWER_STATE];
	follower_begin(&follower, seed, false, 10, 10);
	struct log_install install = follower_offer(&follower, 12, bytes);
	struct log_tail tail;
	log_tail(follower.log, &tail);
	assert_int_equal(log_trim(follower.log, tail.next_offset - 1, NULL), 0);
	install.base.next_offset = tail.next_offset - 2;
	expect_refused(&follower, &install, -EINVAL);
	follower_renew(&follower, FOLLOWER_LEADS);
	follower_expect_new(&follower, FOLLOWER_LEADS);
	follower_end(&follower);
}

static void a_state_may_be_empty_or_of_the_maximum(void **state)
{
	const size_t sizes[] = {0, 1, LOG_STATE_SIZE_MAX};
	unsigned char *bytes = malloc(LOG_STATE_SIZE_MAX);
	assert_non_null(bytes);
	memset(bytes, 0x5a, LOG_STATE_SIZE_MAX);
	for (unsigned i = 0; i < 3; i++) {
		struct follower follower;
		struct log_job *job;
		follower_begin(&follower, seed, false, 10, 5);
		struct log_install install = follower_offer(&follower, 20, bytes);
		install.state_size = sizes[i];
		assert_int_equal(log_install_begin(follower.log, &install, &job, NULL), 0);
		log_job_run(job);
		assert_int_equal(log_job_end(follower.log, job, NULL), 0);
		for (unsigned again = 0; again < 2; again++) {
			uint64_t entry;
			void *data = NULL;
			size_t size = 0;
			int rc = log_state(follower.log, 25, &entry, &data, &size);
			assert_int_equal(rc, sizes[i] == 0 ? -ENOENT : 0);
			assert_int_equal(size, sizes[i]);
			assert_int_equal(log_state(follower.log, 19, &entry, &data, &size), -ENOENT);
			if (rc == 0)
				assert_memory_equal(data, bytes, size);
			free(data);
			follower_reopen(&follower);
		}
		follower_end(&follower);
	}
	free(bytes);
}

static void nothing_begins_anew_while_a_job_is_out(void **state)
{
	struct follower follower;
	unsigned char bytes[FOLLOWER_STATE];
	struct log_job *jobs[3];
	uint64_t next;
	follower_begin(&follower, seed, false, 10, 5);
	struct log_install install = follower_offer(&follower, 20, bytes);
	script_append(follower.log, &follower.old,
	              script_other_frame(follower.log, &follower.dice, 101, LOG_BARRIER, 0));
	assert_int_equal(log_write_begin(follower.log, false, &jobs[0]), 0);
	assert_int_equal(log_chore_begin(follower.log, &jobs[1]), 0);
	assert_int_equal(log_verify_begin(follower.log, 1, &jobs[2], &next), 0);
	for (unsigned i = 0; i < 3; i++) {
		expect_refused(&follower, &install, -EBUSY);
		if (jobs[i] == NULL)
			continue;
		log_job_run(jobs[i]);
		assert_int_equal(log_job_end(follower.log, jobs[i], NULL), 0);
	}
	parts_expect(&follower.old, follower.log);
	follower_renew(&follower, 20);
	follower_expect_new(&follower, 20);
	follower_end(&follower);
}

/* Reads of all kinds that were begun before: what they say is right, or that it is not there any more. */
static void expect_overtaken(bool run_first, bool again, bool unpinned, uint64_t base)
{
	struct follower follower;
	struct log_read reads[40] = {0};
	bool begun[40];
	follower_begin(&follower, seed, false, 10, 25);
	if (again)
		follower_reopen(&follower);
	struct log_tail tail;
	log_tail(follower.log, &tail);
	for (unsigned i = 0; i < 40; i++) {
		reads[i].kind = (enum log_read_kind)(i % 5);
		reads[i].offset = tail.next_offset * i / 40;
		reads[i].position = tail.stream_size * i / 40;
		reads[i].entry = 1 + tail.entry * i / 40;
		reads[i].size = 4000;
		begun[i] = log_read_begin(follower.log, &reads[i]) == 0;
		assert_true(begun[i]);
		if (run_first)
			log_read_run(&reads[i], true);
	}
	struct log_job *job = follower_install(&follower, base);
	log_job_run(job);
	if (!unpinned)
		assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	for (unsigned i = 0; i < 40; i++) {
		if (!run_first)
			log_read_run(&reads[i], true);
		int rc = log_read_end(follower.log, &reads[i]);
		if (run_first)
			assert_int_equal(rc, 0);
		else if (rc != 0 && rc != -ESTALE && rc != -ENOENT)
			fail_msg("read %u: %d", i, rc);
		log_read_finish(&reads[i]);
	}
	if (unpinned)
		assert_int_equal(log_job_end(follower.log, job, NULL), 0);
	follower_take(&follower, 20);
	follower_expect_new(&follower, base);
	follower_end(&follower);
}

static void reads_that_a_new_beginning_overtakes_end_in_peace(void **state)
{
	for (uint64_t base = 11; base < 36; base += 4)
		for (unsigned i = 0; i < 8; i++)
			expect_overtaken(i & 1, i & 2, i & 4, base);
}

static void a_log_that_is_read_only_does_not_begin_anew(void **state)
{
	struct follower follower;
	unsigned char bytes[FOLLOWER_STATE];
	follower_begin(&follower, seed, false, 10, 5);
	log_close(follower.log);
	const struct log_options options = {.disk = follower_disk(&follower),
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .read_only = true};
	assert_int_equal(log_open(&follower.log, &options, NULL), 0);
	struct log_install install = follower_offer(&follower, 20, bytes);
	expect_refused(&follower, &install, -EROFS);
	follower_end(&follower);
}

/* The durable mark of the first store is written like any other's: what rots below it is damage, and not cut. */
static void the_first_store_has_a_mark(void **state)
{
	struct follower follower;
	const struct log_damage *damage;
	struct log_tail tail;
	follower_begin(&follower, seed, false, 10, 5);
	follower_renew(&follower, 20);
	follower_take(&follower, 1);
	script_mark(follower.log);
	log_close(follower.log);
	memory_disk_poke(follower.memory, "log/00000000000000000021.store", 4096 + 8, "\xff\xff", 2);
	follower.log = script_open(follower_disk(&follower));
	log_tail(follower.log, &tail);
	assert_int_equal(tail.entry, 21);
	assert_int_equal(log_damage(follower.log, &damage), 1);
	assert_int_equal(damage->first_entry, 21);
	follower_end(&follower);
}

/* All the disk's space that the old log had is free again, and nothing of it is left. */
static int count_name(const char *name, void *arg)
{
	unsigned *count = arg;
	if (strcmp(name, "base") != 0 && strcmp(name, "prepared.store") != 0)
		(*count)++;
	return 0;
}

static void nothing_of_the_old_log_is_left(void **state)
{
	struct follower follower;
	unsigned count = 0;
	follower_begin(&follower, seed, false, 10, 25);
	follower_renew(&follower, 15);
	follower_renew(&follower, 20);
	struct log_disk *disk = follower_disk(&follower);
	assert_int_equal(disk->list(disk, "log", count_name, &count), 0);
	assert_int_equal(count, 2);
	follower_end(&follower);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_that_is_behind_begins_anew),
		cmocka_unit_test(a_log_with_other_entries_past_the_base_begins_anew),
		cmocka_unit_test(a_log_begins_anew_again_and_again),
		cmocka_unit_test(a_new_log_does_all_that_a_log_does),
		cmocka_unit_test(a_new_log_can_be_cut_down_to_its_base),
		cmocka_unit_test(records_are_hidden_up_to_the_first_offset),
		cmocka_unit_test(what_cannot_be_is_refused_and_changes_nothing),
		cmocka_unit_test(offsets_that_a_trim_has_hidden_are_not_given_again),
		cmocka_unit_test(a_state_may_be_empty_or_of_the_maximum),
		cmocka_unit_test(nothing_begins_anew_while_a_job_is_out),
		cmocka_unit_test(reads_that_a_new_beginning_overtakes_end_in_peace),
		cmocka_unit_test(a_log_that_is_read_only_does_not_begin_anew),
		cmocka_unit_test(the_first_store_has_a_mark),
		cmocka_unit_test(nothing_of_the_old_log_is_left),
	};
	seed = dice_seed("install");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
