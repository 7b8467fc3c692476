/* A member at random: appends, reads, jobs and reads that come back in any order, idle time, stops, kills, power cuts
 * in the midst of a job, failing disks; and the promises, checked after each restart. CLOG_SEED replays, CLOG_SOAK=1
 * takes thousands of seeds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/crashes.h"
#include "tests/cluster/ledger.h"

#define STEPS 250

static uint64_t seed, current; /* of this run of all, of the one life that is lived now */

struct run {
	struct member member;
	struct ledger ledger;
	struct dice dice;
	const char *forgotten; /* syncs of what ends so are not done */
	bool faults;           /* the disk fails now and then */

	/* The disk as it was at some call in the midst of what the member did last, if it was to be kept. */
	struct memory_disk *midst;
	unsigned midst_in; /* calls until then; 0: not wanted */
	unsigned lives, answered;
};

/* ---- Dying ---- */

static void watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct run *run = arg;
	/* Threads: another job goes on between two calls of this one. */
	if (dice_once_in(&run->dice, 20))
		host_run_chore(&run->member.host);
	if (dice_once_in(&run->dice, 20))
		host_run_read(&run->member.host, 0);
	if (run->midst_in > 0 && --run->midst_in == 0)
		run->midst = memory_disk_clone(disk);
}

/* From here on the member lives on the disk that is there now. */
static void look_after(struct run *run)
{
	memory_disk_ignore_sync(run->member.memory, run->forgotten);
	if (dice_once_in(&run->dice, 2))
		memory_disk_set_resident(run->member.memory, (size_t)dice_below(&run->dice, 3000), UINT32_MAX);
	memory_disk_watch(run->member.memory, watch, run);
}

/* Dies: now, or at a moment of the write job that is out. */
static void die(struct run *run)
{
	struct member *member = &run->member;
	if (run->midst == NULL && dice_once_in(&run->dice, 2)) {
		run->midst_in = 1 + (unsigned)dice_below(&run->dice, 8);
		host_run_write(&member->host);
		host_run_chore(&member->host);
		run->midst_in = 0;
	}
	ledger_cut(&run->ledger);
	member_kill(member);
	if (run->midst != NULL) {
		faulty_disk_destroy(member->faulty);
		memory_disk_destroy(member->memory);
		member->memory = run->midst;
		member->faulty = faulty_disk_create(memory_disk_door(run->midst));
		member->host.door.disk = faulty_disk_door(member->faulty);
		run->midst = NULL;
	}
	if (!dice_once_in(&run->dice, 4))
		crashes_any(member->memory, &run->dice);
}

/* ---- Living ---- */

static void arm(struct run *run, unsigned in)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_PARTLY, FAULTY_ONWARD};
	enum faulty_way way = ways[dice_below(&run->dice, 3)];
	unsigned calls = dice_once_in(&run->dice, 3) ? FAULTY_ANY : FAULTY_CHANGE;
	faulty_disk_fail(run->member.faulty, calls, 1 + (unsigned)dice_below(&run->dice, in), -EIO, way);
}

static void disarm(struct run *run)
{
	faulty_disk_fail(run->member.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
}

/* Opens the member, which must work at last; sometimes it dies or fails meanwhile, and tries again. */
static void live_again(struct run *run)
{
	struct clog_error err = {0};
	look_after(run);
	if (run->faults && dice_once_in(&run->dice, 6)) {
		arm(run, 30);
		int rc = member_try_open(&run->member, &err);
		if (rc != 0 && (rc != -EIO || err.code != -EIO || err.text[0] == '\0'))
			fail_msg("opening on a failing disk: %d %s", rc, err.text);
		disarm(run);
		if (rc == 0 || dice_once_in(&run->dice, 2))
			die(run);
		look_after(run);
	}
	if (dice_once_in(&run->dice, 6)) {
		run->midst_in = 1 + (unsigned)dice_below(&run->dice, 12);
		int rc = member_try_open(&run->member, &err);
		run->midst_in = 0;
		if (rc == 0)
			die(run);
		look_after(run);
	}
	int rc = member_try_open(&run->member, &err);
	if (rc != 0) {
		clog_error_set(&run->ledger.broken, rc, "it cannot be opened: %s", err.text);
		return;
	}
	run->lives++;
	ledger_check(&run->ledger, &run->member);
}

static void restart(struct run *run)
{
	bool failed = run->member.host.failures > 0;
	member_stop(&run->member);
	member_close(&run->member);
	if (failed || dice_once_in(&run->dice, 2)) {
		ledger_cut(&run->ledger);
		crashes_any(run->member.memory, &run->dice);
	}
}

/* A member that failed says so once, and takes no more. */
static void expect_failed(struct run *run)
{
	struct service_state state;
	service_state(run->member.service, &state);
	assert_int_equal(run->member.host.failures, 1);
	assert_int_equal(run->member.host.failure.code, -EIO);
	assert_true(run->member.host.failure.text[0] != '\0');
	assert_int_equal(state.failure, -EIO);
	assert_int_equal(ledger_send(&run->ledger, &run->member, 100)->sent.refused, -ESHUTDOWN);
	for (size_t i = 0; i < run->ledger.line_count; i++)
		assert_int_not_equal(run->ledger.lines[i]->fate, LEDGER_PENDING);
}

static void end_life(struct run *run)
{
	bool failed = run->member.host.failures > 0;
	if (failed)
		expect_failed(run);
	disarm(run);
	if (dice_once_in(&run->dice, 2))
		restart(run);
	else
		die(run);
	run->member.host.failures = 0;
	live_again(run);
}

static void step(struct run *run)
{
	struct member *member = &run->member;
	switch (dice_below(&run->dice, 12)) {
	case 0:
	case 1:
	case 2:
		ledger_send(&run->ledger, member, dice_once_in(&run->dice, 5) ? LEDGER_SIZE_MAX : 200);
		break;
	case 3:
		for (uint64_t i = dice_below(&run->dice, 20); i > 0; i--)
			ledger_send(&run->ledger, member, 100);
		break;
	case 4:
		if (member->host.read_count < HOST_READS_MAX / 2)
			ledger_read(&run->ledger, member, run->faults ? -EIO : 0);
		break;
	case 5:
		host_pass(&member->host, dice_below(&run->dice, 2 * CLUSTER_IDLE_MS));
		break;
	case 6:
		host_settle(&member->host);
		break;
	case 7:
		if (run->faults && dice_once_in(&run->dice, 10))
			arm(run, 20);
		break;
	default:
		host_step(&member->host);
		break;
	}
	if (dice_once_in(&run->dice, 60) || (member->host.failures > 0 && dice_once_in(&run->dice, 4)))
		end_life(run);
}

/* Lives through a seed; returns whether all promises were kept. */
static bool live(uint64_t run_seed, const char *forgotten, bool faults, struct run *total)
{
	struct run *run = calloc(1, sizeof *run);
	assert_non_null(run);
	current = run_seed;
	run->forgotten = forgotten;
	run->faults = faults;
	dice_init(&run->dice, run_seed);
	ledger_init(&run->ledger, run_seed + 1);
	member_init(&run->member, run_seed + 2);
	live_again(run);
	for (unsigned i = 0; i < STEPS && ledger_broken(&run->ledger) == 0; i++)
		step(run);
	disarm(run);
	bool kept = ledger_broken(&run->ledger) == 0;
	if (!kept && forgotten == NULL)
		fail_msg("%s", run->ledger.broken.text);
	if (run->member.cluster != NULL) {
		host_settle(&run->member.host);
		run->member.host.failures = 0;
	}
	member_finish(&run->member);
	total->lives += run->lives;
	total->answered += (unsigned)run->ledger.record_count;
	ledger_finish(&run->ledger);
	memory_disk_destroy(run->midst);
	free(run);
	return kept;
}

static void live_many(unsigned seeds, bool faults)
{
	struct run total = {0};
	for (unsigned i = 0; i < seeds; i++)
		assert_true(live(seed + i, NULL, faults, &total));
	printf("random: %u seeds, %u lives, %u records\n", seeds, total.lives, total.answered);
	assert_true(total.lives > seeds && total.answered > 50 * seeds);
}

static void crashes_and_kills_break_no_promise(void **state)
{
	live_many(dice_soak() ? 5000 : 300, false);
}

static void failing_disks_break_no_promise(void **state)
{
	live_many(dice_soak() ? 5000 : 300, true);
}

/* Disks that forget syncs must be found out, or the tests above prove nothing. */
static void a_disk_that_forgets_syncs_breaks_promises(void **state)
{
	static const char *const endings[] = {".store", "data/log", ""};
	for (unsigned i = 0; i < 3; i++) {
		struct run total = {0};
		unsigned runs = 0;
		while (runs < 200 && live(seed + runs, endings[i], false, &total))
			runs++;
		printf("random: syncs of *%s forgotten: found in run %u\n", endings[i], runs + 1);
		assert_true(runs < 200);
	}
}

/* Of a test that failed, the seed that it failed at. */
static int tell_seed(void **state)
{
	printf("random: the last seed was CLOG_SEED=%llu\n", (unsigned long long)current);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(crashes_and_kills_break_no_promise, tell_seed),
		cmocka_unit_test_teardown(failing_disks_break_no_promise, tell_seed),
		cmocka_unit_test(a_disk_that_forgets_syncs_breaks_promises),
	};
	seed = dice_seed("cluster_random");
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
