#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/crash.h"
#include "tests/log/damage.h"
#include "tests/log/script.h"

static uint64_t seed;

/* What a run does between two crashes is up to its dice. */
struct run {
	struct memory_disk *disk;
	struct model model;
	struct crash crash;
	struct dice dice;
	struct log *log;
	struct log_job *inner; /* to be run in the midst of another job */
	unsigned inner_in;     /* after so many changes of the disk */
};

/* Jobs run on threads of their own: here one runs between two calls of another, at a moment of the dice's choice. */
static void watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct run *run = arg;
	crash_watch(disk, call, path, &run->crash);
	if (run->inner == NULL || run->inner_in-- > 0)
		return;
	struct log_job *inner = run->inner;
	run->inner = NULL;
	log_job_run(inner);
}

static void end_job(struct run *run, struct log_job *job)
{
	struct clog_error err = {0};
	if (log_job_end(run->log, job, &err) != 0)
		fail_msg("log_job_end: %s", err.text);
	run->crash.durable = log_durable(run->log);
}

static void run_job(struct run *run, struct log_job *job)
{
	if (job == NULL)
		return;
	log_job_run(job);
	end_job(run, job);
}

/* Runs one job in the midst of another, or after it when it made no so many changes; ends them in either order. */
static void run_both(struct run *run, struct log_job *outer, struct log_job *inner)
{
	if (outer == NULL || inner == NULL) {
		run_job(run, outer);
		run_job(run, inner);
		return;
	}
	run->inner = inner;
	run->inner_in = (unsigned)dice_below(&run->dice, 6);
	log_job_run(outer);
	bool left = run->inner != NULL;
	run->inner = NULL;
	if (left)
		log_job_run(inner);
	bool first = dice_once_in(&run->dice, 2);
	end_job(run, first ? inner : outer);
	end_job(run, first ? outer : inner);
}

static void reopen(struct run *run)
{
	script_sync(run->log);
	run->crash.durable = log_durable(run->log);
	log_close(run->log);
	run->log = script_open(memory_disk_door(run->disk));
}

static void step(struct run *run)
{
	struct log_job *write, *chore;
	unsigned frames = 1 + (unsigned)dice_below(&run->dice, 3);
	while (frames-- > 0)
		script_append(run->log, &run->model, script_any_frame(run->log, &run->dice, 3000));
	switch (dice_below(&run->dice, 6)) {
	case 0:
		script_append(run->log, &run->model, script_any_frame(run->log, &run->dice, 100));
		break;
	case 1:
		assert_int_equal(log_chore_begin(run->log, &chore), 0);
		run_job(run, chore);
		break;
	case 2:
		assert_int_equal(log_write_begin(run->log, true, &write), 0);
		run_job(run, write);
		assert_int_equal(log_write_begin(run->log, true, &write), 0);
		run_job(run, write);
		break;
	case 3:
		if (dice_once_in(&run->dice, 4))
			reopen(run);
		break;
	default:
		if (dice_once_in(&run->dice, 2)) {
			assert_int_equal(log_chore_begin(run->log, &chore), 0);
			assert_int_equal(log_write_begin(run->log, false, &write), 0);
		} else {
			assert_int_equal(log_write_begin(run->log, false, &write), 0);
			assert_int_equal(log_chore_begin(run->log, &chore), 0);
		}
		if (dice_once_in(&run->dice, 2))
			run_both(run, write, chore);
		else
			run_both(run, chore, write);
	}
}

/* An empty disk that forgets the syncs of paths that end so (NULL: none), watched, and the log on it. */
static void run_begin(struct run *run, uint64_t run_seed, const char *forgotten)
{
	dice_init(&run->dice, run_seed);
	dice_init(&run->crash.dice, run_seed + 1);
	run->disk = memory_disk_create();
	run->crash.model = &run->model;
	memory_disk_ignore_sync(run->disk, forgotten);
	memory_disk_watch(run->disk, watch, run);
	run->log = script_open(memory_disk_door(run->disk));
}

/* Goes on until there are so many segments, and ends in peace. */
static void run_through(struct run *run, uint32_t segments)
{
	struct log_stat stat = {0};
	for (; stat.segments < segments; log_stat(run->log, &stat))
		step(run);
	script_sync(run->log);
	run->crash.durable = log_durable(run->log);
	script_mark(run->log);
	script_chores(run->log);
}

static void run_finish(struct run *run)
{
	log_close(run->log);
	assert_int_equal(memory_disk_handles(run->disk), 0);
	memory_disk_destroy(run->disk);
	model_finish(&run->model);
	crash_finish(&run->crash);
}

static void nothing_durable_is_lost_in_any_crash(void **state)
{
	unsigned runs = dice_soak() ? 20 : 4, steps = 0, states = 0, checks = 0, recoveries = 0, losses = 0;
	for (unsigned i = 0; i < runs; i++) {
		struct run run = {.crash = {.sectors_max = dice_soak() ? 0 : 24, .deep = dice_soak() ? 1 : 3}};
		run_begin(&run, seed + i, NULL);
		run_through(&run, 6);
		steps += run.crash.steps;
		states += run.crash.states;
		checks += run.crash.checks;
		recoveries += run.crash.recoveries;
		losses += run.crash.losses;
		run_finish(&run);
	}
	printf("crash: %u runs, %u changes of the disk, %u distinct states, %u checks, %u changes in recovery\n", runs,
	       steps, states, checks, recoveries);
	assert_int_equal(losses, 0);
	assert_true(states >= (dice_soak() ? 20000 : 3000));
}

/* A log that forgets syncs must be found out, or the test above proves nothing. */
static void expect_loss(const char *forgotten)
{
	unsigned losses = 0, checks = 0, runs = 0;
	for (; losses == 0 && runs < 20; runs++) {
		struct run run = {.crash = {.sectors_max = 4, .deep = 5, .tolerate = true}};
		run_begin(&run, seed + runs, forgotten);
		for (unsigned i = 0; i < 12; i++) {
			step(&run);
			script_sync(run.log);
			run.crash.durable = log_durable(run.log);
		}
		checks += run.crash.checks;
		losses += run.crash.losses;
		run_finish(&run);
	}
	printf("crash: syncs of *%s forgotten: %u runs, %u states opened, a loss found %u times\n", forgotten, runs,
	       checks, losses);
	assert_true(losses > 0);
}

static void a_forgotten_sync_of_a_store_is_caught(void **state)
{
	expect_loss(".store");
}

static void a_forgotten_sync_of_a_new_store_is_caught(void **state)
{
	expect_loss(".store.new");
}

static void a_forgotten_sync_of_the_folder_is_caught(void **state)
{
	expect_loss("log");
}

/* ---- One crash that was hard to find ------------------------------------------------------------------------- */

static void keep_all_but_the_last_sector(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct memory_disk **copy = arg;
	unsigned char fates[16];
	size_t sectors = memory_disk_sectors(disk);
	if (call != MEMORY_SYNC || *copy != NULL)
		return;
	assert_true(sectors >= 2 && sectors <= sizeof fates);
	memset(fates, MEMORY_KEPT, sectors);
	fates[sectors - 1] = MEMORY_LOST;
	*copy = memory_disk_clone(disk);
	memory_disk_crash(*copy, fates, NULL);
}

/* The header of entry 2 lies across two sectors, the first of which has only its magic, type and entry. A crash tears
 * that sector off: entry 2 is cut. Another entry 2 is written, and torn the other way: the old one's header would be
 * whole again. */
static void what_was_cut_does_not_come_back(void **state)
{
	struct memory_disk *disk = memory_disk_create(), *copy = NULL;
	struct log *log = script_open(memory_disk_door(disk));
	const char *store = "log/00000000000000000001.store";
	const unsigned char zeros[16] = {0};
	struct dice dice;
	struct log_tail tail;
	dice_init(&dice, 1);
	script_append_one(log, NULL, &dice, 400);
	script_append_one(log, NULL, &dice, 200);
	log_close(log);
	size_t header = damage_find(disk, store, "CLGF", 4, 1);
	assert_int_equal(header % MEMORY_SECTOR_SIZE, MEMORY_SECTOR_SIZE - sizeof zeros);
	memory_disk_poke(disk, store, header, zeros, sizeof zeros);

	log = script_open(memory_disk_door(disk));
	log_tail(log, &tail);
	assert_int_equal(tail.entry, 1);
	const uint32_t size = 100;
	script_append(log, NULL, script_frame(log, &dice, 1, &size, 1));
	memory_disk_watch(disk, keep_all_but_the_last_sector, &copy);
	script_sync(log);
	log_close(log);
	assert_non_null(copy);
	log = script_open(memory_disk_door(copy));
	log_tail(log, &tail);
	assert_int_equal(tail.entry, 1);
	log_close(log);
	memory_disk_destroy(copy);
	memory_disk_destroy(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_durable_is_lost_in_any_crash),
		cmocka_unit_test(a_forgotten_sync_of_a_store_is_caught),
		cmocka_unit_test(a_forgotten_sync_of_a_new_store_is_caught),
		cmocka_unit_test(a_forgotten_sync_of_the_folder_is_caught),
		cmocka_unit_test(what_was_cut_does_not_come_back),
	};
	seed = dice_seed("crash");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
