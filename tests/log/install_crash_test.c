/* Beginning anew, cut short: by a crash at every change of the disk, while the next start goes on with it too, and by a
 * disk that fails. */
#include <errno.h>
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

static struct outcomes looker(struct follower *follower)
{
	struct outcomes outcomes = {.judge = follower_judge, .arg = follower, .sectors_max = dice_soak() ? 0 : 6};
	dice_init(&outcomes.dice, seed + 1);
	return outcomes;
}

static void end_job(struct follower *follower, struct log_job *job)
{
	struct clog_error err = {0};
	if (log_job_end(follower->log, job, &err) != 0)
		fail_msg("installing: %s", err.text);
}

/* Begins anew after a base and goes on, looking at every step. */
static void crash_at(uint64_t same, unsigned more, uint64_t base, unsigned way, struct outcomes *sum)
{
	struct follower follower;
	follower_begin(&follower, seed, false, same, more);
	if (way % 2 == 1)
		script_chores(follower.log);
	if (way % 3 == 0)
		follower_reopen(&follower);
	struct outcomes outcomes = looker(&follower);
	follower.may_be_old = follower.may_be_new = true;
	memory_disk_watch(follower.memory, outcomes_watch, &outcomes);
	struct log_job *job = follower_install(&follower, base);
	follower.least = base;
	log_job_run(job);
	/* From now on it is the new one, whatever happens. */
	follower.may_be_old = false;
	outcomes_forget(&outcomes);
	outcomes_look(&outcomes, follower.memory, "nothing: the job has run");
	end_job(&follower, job);
	assert_true(follower.olds > 0 && follower.news > 0);
	follower_take(&follower, 3);
	script_mark(follower.log);
	memory_disk_watch(follower.memory, NULL, NULL);
	sum->states += outcomes.states;
	sum->steps += outcomes.steps;
	sum->failures += outcomes.failures;
	outcomes_finish(&outcomes);
	follower_end(&follower);
}

static void a_crash_leaves_the_old_log_or_the_new_one(void **state)
{
	struct outcomes sum = {0};
	unsigned way = 0;
	crash_at(0, 0, 1, 0, &sum);
	crash_at(0, 0, 5, 1, &sum);
	for (uint64_t base = 11; base < 48; base += dice_soak() ? 1 : 4)
		crash_at(10, 0, base, way++, &sum);
	printf("install: a shorter log: %u changes of the disk, %u states\n", sum.steps, sum.states);
	assert_int_equal(sum.failures, 0);
	assert_true(sum.states > 500);
}

/* Names of the old log's files are those of the new one's. */
static void a_crash_leaves_a_longer_log_or_the_new_one(void **state)
{
	struct outcomes sum = {0};
	unsigned way = 0;
	for (uint64_t base = 11; base < 24; base += dice_soak() ? 1 : 3)
		crash_at(10, 14, base, way++, &sum);
	printf("install: a longer log: %u changes of the disk, %u states\n", sum.steps, sum.states);
	assert_int_equal(sum.failures, 0);
}

/* A log that has begun anew before, or was trimmed: its file of the base is there already. */
static void a_crash_of_the_second_time_leaves_one_of_both(void **state)
{
	struct outcomes sum = {0};
	for (uint64_t base = 16; base < 40; base += dice_soak() ? 1 : 3) {
		struct follower follower;
		follower_begin(&follower, seed, false, 10, 12);
		follower_renew(&follower, 15);
		/* Entries of the first time are the old log now; the model of it begins with entry 16. */
		follower_take(&follower, base % 2 == 0 ? 40 : 0);
		struct outcomes outcomes = looker(&follower);
		follower.may_be_new = true;
		uint64_t least = follower.least;
		follower.least = 0;
		if (base <= log_durable(follower.log)) {
			/* The same entries: nothing to begin anew for. */
			struct log_job *job;
			unsigned char bytes[FOLLOWER_STATE];
			struct log_install install = follower_offer(&follower, base, bytes);
			assert_int_equal(log_install_begin(follower.log, &install, &job, NULL), -EINVAL);
			assert_int_equal(least, log_durable(follower.log));
		} else {
			memory_disk_watch(follower.memory, outcomes_watch, &outcomes);
			follower.before = 15;
			struct log_job *job = follower_install(&follower, base);
			log_job_run(job);
			follower.before = 0;
			outcomes_forget(&outcomes);
			outcomes_look(&outcomes, follower.memory, "nothing: the job has run");
			end_job(&follower, job);
			memory_disk_watch(follower.memory, NULL, NULL);
		}
		sum.states += outcomes.states;
		sum.failures += outcomes.failures;
		outcomes_finish(&outcomes);
		follower_end(&follower);
	}
	printf("install: a second time: %u states\n", sum.states);
	assert_int_equal(sum.failures, 0);
	assert_true(sum.states > 50);
}

/* ---- A start that goes on with it crashes too ------------------------------------------------------------------- */

struct restart {
	struct follower *follower;
	struct outcomes sum;
	unsigned read_only; /* how often it was looked at without being changed */
};

/* One that may not change anything shows the old log, or the new one, empty. */
static void expect_read_only(struct restart *restart, struct memory_disk *disk)
{
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN, .read_only = true};
	struct follower *follower = restart->follower;
	const struct parts parts = {.model = &follower->old};
	struct clog_error err = {0};
	struct log *log;
	struct log_tail base, tail;
	struct log_stat stat;
	uint64_t hash = memory_disk_hash(disk);
	int rc = log_open(&log, &options, &err);
	/* What became durable in the last moments need not be seen, but for a folder that is not there yet. */
	if (rc != 0)
		fail_msg("opened read-only: %s", err.text);
	log_base(log, &base);
	log_tail(log, &tail);
	log_stat(log, &stat);
	if (base.entry == 0) {
		assert_int_equal(parts_check(&parts, log, 3, &err), 0);
	} else if (base.entry == follower->before) {
		assert_int_equal(follower_check_new(follower, log, base.entry, &err), 0);
	} else {
		script_expect_tail(&base, &follower->tails[follower->base]);
		script_expect_tail(&tail, &base);
		assert_int_equal(stat.first_entry, base.entry + 1);
		assert_int_equal(log_term(log, base.entry), base.term);
		struct log_read read = {.kind = LOG_READ_FRAMES, .entry = base.entry, .size = 1000};
		assert_int_equal(log_read_begin(log, &read), -ESTALE);
		read.entry++;
		assert_int_equal(log_read_begin(log, &read), -ENOENT);
		restart->read_only++;
	}
	log_close(log);
	assert_true(memory_disk_hash(disk) == hash);
}

/* Either slot of the base rots later: the other one says the same. */
static void expect_rot_is_harmless(struct follower *follower, struct memory_disk *disk)
{
	size_t size;
	for (unsigned slot = 0; slot < 2 && memory_disk_bytes(disk, "log/base", &size) != NULL; slot++) {
		struct memory_disk *copy = memory_disk_clone(disk);
		struct clog_error err = {0};
		memory_disk_poke(copy, "log/base", 512 * slot + 100, "\xff", 1);
		if (follower_judge(copy, follower, &err) != 0)
			fail_msg("slot %u of the base rotted: %s", slot, err.text);
		memory_disk_destroy(copy);
	}
}

static void restart_watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct restart *restart = arg;
	struct memory_disk *copy = memory_disk_clone(disk);
	struct outcomes outcomes = looker(restart->follower);
	outcomes.sectors_max = dice_soak() ? 0 : 1;
	struct clog_error err = {0};
	struct log *log;
	memory_disk_settle(copy);
	expect_read_only(restart, copy);
	const struct log_options options = {
		.disk = memory_disk_door(copy), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	memory_disk_watch(copy, outcomes_watch, &outcomes);
	if (log_open(&log, &options, &err) != 0)
		fail_msg("a start before %s: %s", path, err.text);
	log_close(log);
	memory_disk_watch(copy, NULL, NULL);
	expect_rot_is_harmless(restart->follower, copy);
	restart->sum.states += outcomes.states;
	restart->sum.steps += outcomes.steps;
	restart->sum.failures += outcomes.failures;
	outcomes_finish(&outcomes);
	memory_disk_destroy(copy);
}

static void a_start_that_crashes_while_it_goes_on_leaves_it_to_the_next(void **state)
{
	struct restart restart = {0};
	for (uint64_t base = 11; base < 24; base += dice_soak() ? 1 : 6) {
		struct follower follower;
		follower_begin(&follower, seed, false, 10, base % 2 == 0 ? 0 : 10);
		restart.follower = &follower;
		/* The second time the file of the base is there already. */
		if (base > 20) {
			follower_renew(&follower, base - 1);
			follower.before = base - 1;
		}
		follower.may_be_old = follower.may_be_new = true;
		memory_disk_watch(follower.memory, restart_watch, &restart);
		struct log_job *job = follower_install(&follower, base);
		log_job_run(job);
		memory_disk_watch(follower.memory, NULL, NULL);
		end_job(&follower, job);
		follower_end(&follower);
	}
	printf("install: starts: %u changes of the disk, %u states\n", restart.sum.steps, restart.sum.states);
	assert_int_equal(restart.sum.failures, 0);
	assert_true(restart.sum.states > 100 && restart.read_only > 10);
}

/* ---- A disk that fails ------------------------------------------------------------------------------------------ */

static void expect_recovery(struct follower *follower, bool lose)
{
	struct memory_disk *copy = memory_disk_clone(follower->memory);
	struct clog_error err = {0};
	if (lose)
		memory_disk_crash(copy, NULL, NULL);
	if (follower_judge(copy, follower, &err) != 0)
		fail_msg("reopened after a failure: %s", err.text);
	memory_disk_destroy(copy);
}

/* Returns false when the job made less calls. */
static bool fail_at(uint64_t same, unsigned more, uint64_t base, unsigned nth, int error, enum faulty_way way)
{
	struct follower follower;
	struct clog_error err = {0};
	struct log_job *other;
	follower_begin(&follower, seed, true, same, more);
	if (base % 2 == 0)
		script_chores(follower.log);
	struct log_job *job = follower_install(&follower, base);
	faulty_disk_fail(follower.faulty, FAULTY_ANY, nth, error, way);
	log_job_run(job);
	int rc = log_job_end(follower.log, job, &err);
	bool fired = faulty_disk_fired(follower.faulty);
	faulty_disk_fail(follower.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	follower.may_be_new = true;
	follower.may_be_old = fired;
	assert_int_equal(rc, fired ? error : 0);
	assert_int_equal(log_failure(follower.log, NULL), rc);
	expect_recovery(&follower, false);
	expect_recovery(&follower, true);
	if (fired) {
		assert_non_null(strstr(err.text, "log"));
		assert_int_equal(log_sync(follower.log, NULL), error);
		assert_int_equal(log_write_begin(follower.log, true, &other), error);
		struct log_install install = {.base = {.entry = 1000, .term = 1000}};
		assert_int_equal(log_install_begin(follower.log, &install, &other, NULL), error);
	}
	follower_end(&follower);
	return fired;
}

static void a_job_whose_disk_fails_leaves_one_of_both(void **state)
{
	static const struct {
		int error;
		enum faulty_way way;
	} faults[] = {{-EIO, FAULTY_ONCE}, {-ENOSPC, FAULTY_PARTLY}, {-EIO, FAULTY_ONWARD}};
	for (uint64_t base = 11; base < 32; base += 7)
		for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
			unsigned nth = 1;
			while (fail_at(10, base % 3 == 0 ? 0 : 22, base, nth, faults[i].error, faults[i].way))
				nth++;
			assert_true(nth > 15);
		}
}

/* A start that fails while it goes on says so, and the next one goes on. */
static bool fail_start_at(uint64_t base, unsigned stop, unsigned nth, bool *resumed)
{
	struct follower follower;
	struct clog_error err = {0};
	struct log *log;
	follower_begin(&follower, seed, true, 10, 8);
	struct log_job *job = follower_install(&follower, base);
	faulty_disk_fail(follower.faulty, FAULTY_CHANGE, stop, -EIO, FAULTY_ONWARD);
	log_job_run(job);
	log_job_end(follower.log, job, NULL);
	bool stopped = faulty_disk_fired(follower.faulty);
	log_close(follower.log);
	faulty_disk_fail(follower.faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
	const struct log_options options = {
		.disk = follower_disk(&follower), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	int rc = log_open(&log, &options, &err);
	bool fired = faulty_disk_fired(follower.faulty);
	faulty_disk_fail(follower.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	if (rc == 0)
		log_close(log);
	else
		assert_int_equal(rc, -EIO);
	assert_true(rc == 0 || (fired && strlen(err.text) > 5));
	follower.may_be_old = follower.may_be_new = true;
	expect_recovery(&follower, false);
	expect_recovery(&follower, true);
	*resumed = follower.news > 0;
	follower.log = script_open(follower_disk(&follower));
	follower_end(&follower);
	return stopped && fired;
}

static void a_start_whose_disk_fails_leaves_it_to_the_next(void **state)
{
	unsigned resumed_count = 0;
	for (unsigned stop = 4; stop < 24; stop++) {
		unsigned nth = 1;
		bool resumed;
		while (fail_start_at(13, stop, nth, &resumed)) {
			resumed_count += resumed;
			nth++;
		}
	}
	assert_true(resumed_count > 50);
}

/* A log that forgets to sync must be found out, or the tests above prove nothing. */
static void a_base_that_is_not_synced_is_caught(void **state)
{
	static const char *const forgotten[] = {"base", "base.new", "install.store", "prepared.store", "log"};
	unsigned failures = 0;
	for (unsigned i = 0; i < sizeof forgotten / sizeof forgotten[0]; i++) {
		struct follower follower;
		follower_begin(&follower, seed, false, 10, 20);
		struct outcomes outcomes = looker(&follower);
		struct log_job *job = follower_install(&follower, 20);
		memory_disk_ignore_sync(follower.memory, forgotten[i]);
		log_job_run(job);
		follower.may_be_new = true;
		end_job(&follower, job);
		memory_disk_ignore_sync(follower.memory, NULL);
		struct memory_disk *copy = memory_disk_clone(follower.memory);
		struct clog_error err = {0};
		memory_disk_crash(copy, NULL, NULL);
		failures += follower_judge(copy, &follower, &err) != 0;
		memory_disk_destroy(copy);
		outcomes_finish(&outcomes);
		follower_end(&follower);
	}
	assert_true(failures >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_leaves_the_old_log_or_the_new_one),
		cmocka_unit_test(a_crash_leaves_a_longer_log_or_the_new_one),
		cmocka_unit_test(a_crash_of_the_second_time_leaves_one_of_both),
		cmocka_unit_test(a_start_that_crashes_while_it_goes_on_leaves_it_to_the_next),
		cmocka_unit_test(a_job_whose_disk_fails_leaves_one_of_both),
		cmocka_unit_test(a_start_whose_disk_fails_leaves_it_to_the_next),
		cmocka_unit_test(a_base_that_is_not_synced_is_caught),
	};
	seed = dice_seed("install crash");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
