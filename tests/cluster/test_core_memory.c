/* Memory that runs out: each allocation of a call to the core fails once. That is an error, after which the core may be
 * destroyed, and no memory is lost or freed twice. */
#include "tests/cluster/core_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/disk/allocation.h"

/* Frames are there before memory runs out. */
static struct log_frame *frames[8];
static size_t frame_count;

static void keep_frame(uint64_t entry, uint64_t term, enum log_type type, const char *word)
{
	frames[frame_count++] = core_frame(entry, term, type, word);
}

static void drop_frames(void)
{
	while (frame_count > 0)
		log_frame_unref(frames[--frame_count]);
}

static int tear_down(void **state)
{
	allocation_fail(0);
	drop_frames();
	return 0;
}

/* Opens a core as the scene begins, and makes its frames; then lets it act. */
struct scene {
	void (*open)(struct core_host *host);
	int (*act)(struct core_host *host);
};

/* Returns how many allocations it has. */
static unsigned play(const struct scene *scene)
{
	unsigned nth = 1;
	for (bool fired = true; fired; nth++) {
		struct core_host host;
		scene->open(&host);
		host.spare_memory = true;
		allocation_fail(nth);
		int rc = scene->act(&host);
		fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		core_host_finish(&host);
		drop_frames();
	}
	return nth - 2;
}

/* ---- Starting ---- */

static void open_nothing(struct core_host *host)
{
	*host = (struct core_host){0};
}

static int start_at_a_base(struct core_host *host)
{
	static const struct log_term terms[] = {{120, 5}, {150, 7}};
	const struct machine_members base = core_members(90, "vvv"), before = core_members(110, "vvvv");
	const struct machine_members last = core_members(130, "vvvvv");
	const struct core_state state = {.term = 7,
	                                 .base_entry = 100,
	                                 .base_term = 5,
	                                 .base = &base,
	                                 .terms = terms,
	                                 .term_count = 2,
	                                 .last = &last,
	                                 .before = &before};
	int rc = core_host_init(host, 1, 1);
	return rc == 0 ? core_host_start(host, &state) : rc;
}

static int start_alone(struct core_host *host)
{
	static const struct log_term terms[] = {{20, 1}, {50, 7}};
	const struct machine_members before = core_members(1, "vbb"), last = core_members(30, "vb");
	const struct core_state state = {.term = 7, .terms = terms, .term_count = 2, .last = &last, .before = &before};
	int rc = core_host_init(host, 1, 1);
	return rc == 0 ? core_host_start(host, &state) : rc;
}

static void a_start_without_memory_fails(void **state)
{
	static const struct scene scenes[] = {{open_nothing, start_at_a_base}, {open_nothing, start_alone}};
	for (unsigned i = 0; i < 2; i++)
		assert_true(play(&scenes[i]) >= 15);
}

/* ---- Leading ---- */

static const uint64_t terms[] = {1, 2, 2, 0};

static void open_follower(struct core_host *host)
{
	core_host_open(host, 1, "vvv", 2, terms);
}

static int stand(struct core_host *host)
{
	int rc = core_timeout(host->core, core_timeout_at(host->core));
	for (unsigned pre = 2; rc == 0 && pre-- > 0;) {
		const struct message granted = core_vote_result(2, 3, pre, true);
		rc = core_host_receive(host, &granted, NULL, 0);
	}
	return rc;
}

static void open_leader(struct core_host *host)
{
	open_follower(host);
	core_host_lead(host, 3);
	keep_frame(5, 3, LOG_RECORDS, NULL);
	keep_frame(6, 3, LOG_CONFIGURATION, "vvvv");
}

static int submit_both(struct core_host *host)
{
	int rc = core_submit(host->core, host->now_ms, frames[0]);
	return rc == 0 ? core_submit(host->core, host->now_ms, frames[1]) : rc;
}

static void open_changing(struct core_host *host)
{
	open_leader(host);
	assert_int_equal(submit_both(host), 0);
	core_host_persist(host);
}

static int commit_configuration(struct core_host *host)
{
	const struct message answers[] = {core_append_result(2, 3, 0, 6), core_append_result(4, 3, 0, 6)};
	int rc = core_host_receive(host, &answers[0], NULL, 0);
	return rc == 0 ? core_host_receive(host, &answers[1], NULL, 0) : rc;
}

static int hand_over(struct core_host *host)
{
	const struct message answer = core_append_result(2, 3, 0, 4);
	int rc = core_transfer(host->core, host->now_ms, 2);
	return rc == 0 ? core_host_receive(host, &answer, NULL, 0) : rc;
}

static void a_leader_without_memory_fails(void **state)
{
	static const struct {
		struct scene scene;
		unsigned allocations; /* at the least */
	} scenes[] = {{{open_follower, stand}, 3},
	              {{open_leader, submit_both}, 10},
	              {{open_changing, commit_configuration}, 8},
	              {{open_leader, hand_over}, 0}};
	for (unsigned i = 0; i < 4; i++)
		assert_true(play(&scenes[i].scene) >= scenes[i].allocations);
}

/* ---- Following ---- */

static void open_receiver(struct core_host *host)
{
	open_follower(host);
	keep_frame(4, 2, LOG_RECORDS, NULL);
	keep_frame(5, 3, LOG_CONFIGURATION, "vvvv");
	keep_frame(6, 3, LOG_RECORDS, NULL);
	keep_frame(7, 3, LOG_CONFIGURATION, "vvvvv");
}

/* With two configurations, of which the first one is not heard to be committed. */
static int receive_entries(struct core_host *host)
{
	const struct message append = core_append(2, 3, 3, 2, 1, 4);
	return core_host_receive(host, &append, frames, 4);
}

/* They are committed by the same message. */
static int receive_committed(struct core_host *host)
{
	const struct message append = core_append(2, 3, 3, 2, 7, 4);
	return core_host_receive(host, &append, frames, 4);
}

static int refuse_a_gap(struct core_host *host)
{
	const struct message append = core_append(2, 3, 3, 3, 1, 4);
	return core_host_receive(host, &append, frames, 4);
}

static int refuse_an_old_term(struct core_host *host)
{
	const struct message append = core_append(2, 1, 3, 2, 1, 4);
	return core_host_receive(host, &append, frames, 4);
}

/* A candidate that hears of the leader of its term has to forget its votes. */
static void open_candidate(struct core_host *host)
{
	open_receiver(host);
	core_host_wait(host);
	const struct message granted = core_vote_result(2, 3, true, true);
	assert_int_equal(core_host_receive(host, &granted, NULL, 0), 0);
	assert_int_equal(core_term(host->core), 3);
}

static void open_overwritten(struct core_host *host)
{
	open_receiver(host);
	assert_int_equal(receive_entries(host), 0);
	core_host_persist(host);
	drop_frames();
	keep_frame(7, 4, LOG_RECORDS, NULL);
	keep_frame(8, 4, LOG_CONFIGURATION, "vvvvb");
}

static int overwrite(struct core_host *host)
{
	const struct message append = core_append(3, 4, 6, 3, 1, 2);
	return core_host_receive(host, &append, frames, 2);
}

static int answer_votes(struct core_host *host)
{
	const struct message asks[] = {core_vote(2, 3, 3, 2, true), core_vote(2, 3, 3, 2, false)};
	int rc = core_host_receive(host, &asks[0], NULL, 0);
	return rc == 0 ? core_host_receive(host, &asks[1], NULL, 0) : rc;
}

static void a_follower_without_memory_fails(void **state)
{
	static const struct {
		struct scene scene;
		unsigned allocations;
	} scenes[] = {{{open_receiver, receive_entries}, 20},  {{open_receiver, receive_committed}, 20},
	              {{open_receiver, refuse_a_gap}, 3},      {{open_receiver, refuse_an_old_term}, 2},
	              {{open_candidate, receive_entries}, 20}, {{open_overwritten, overwrite}, 10},
	              {{open_follower, answer_votes}, 0}};
	for (unsigned i = 0; i < 7; i++)
		assert_true(play(&scenes[i].scene) >= scenes[i].allocations);
}

/* ---- Bases ---- */

static void open_below_base(struct core_host *host)
{
	open_follower(host);
	host->base = core_members(90, "vvvv");
}

static int receive_base(struct core_host *host)
{
	const struct message install = core_install(2, 3, 100, 3);
	return core_host_receive(host, &install, NULL, 0);
}

static int refuse_base(struct core_host *host)
{
	const struct message old = core_install(2, 1, 100, 3), there = core_install(2, 2, 3, 2);
	int rc = core_host_receive(host, &old, NULL, 0);
	return rc == 0 ? core_host_receive(host, &there, NULL, 0) : rc;
}

static void open_installing(struct core_host *host)
{
	open_below_base(host);
	assert_int_equal(receive_base(host), 0);
}

static int install(struct core_host *host)
{
	return core_host_installed(host, 100);
}

static int trim(struct core_host *host)
{
	const struct machine_members members = core_members(1, "vvv");
	return core_trimmed(host->core, host->now_ms, 2, 2, &members);
}

static void a_base_without_memory_fails(void **state)
{
	static const struct {
		struct scene scene;
		unsigned allocations;
	} scenes[] = {{{open_below_base, receive_base}, 8},
	              {{open_below_base, refuse_base}, 8},
	              {{open_installing, install}, 8},
	              {{open_follower, trim}, 6}};
	for (unsigned i = 0; i < 4; i++)
		assert_true(play(&scenes[i].scene) >= scenes[i].allocations);
}

#define MEMORY_TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY_TEST(a_start_without_memory_fails),
		MEMORY_TEST(a_leader_without_memory_fails),
		MEMORY_TEST(a_follower_without_memory_fails),
		MEMORY_TEST(a_base_without_memory_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
