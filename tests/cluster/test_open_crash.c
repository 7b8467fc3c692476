/* A crash at every change of the disk, from the making of the data folder over the first appends to restarts: whatever
 * it leaves, the member opens again, is who it was, and has all that it acknowledged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/identity.h"
#include "tests/cluster/crashes.h"
#include "tests/cluster/member.h"

static uint64_t seed;

struct watched {
	struct member *member;
	struct dice dice;
	uint64_t id;       /* of the identity that is durable, 0 before there is one */
	unsigned sent;     /* record i is text_of(i) */
	unsigned answered; /* of them */
	unsigned changes, ends, twice;
	unsigned lost;  /* ends that broke a promise */
	bool tolerate;  /* count them */
	char what[200]; /* the call, for the sentence */
};

static void text_of(unsigned i, char text[static 400])
{
	/* Some are large enough to fill segments. */
	int size = snprintf(text, 400, "record %u ", i);
	memset(text + size, 'a' + (int)(i % 26), 400 - (size_t)size);
	text[i % 3 == 0 ? 399 : 20] = '\0';
}

static uint64_t id_on(struct memory_disk *disk)
{
	struct identity identity;
	return identity_load(&identity, memory_disk_door(disk), MEMBER_DATA, NULL) == 0 ? identity.id : 0;
}

static bool has_records(struct watched *watched, struct member *member, unsigned least)
{
	char text[400];
	uint64_t next = member_next(member);
	if (next < least || next > watched->sent)
		return false;
	for (unsigned i = 0; i < next; i++) {
		struct asked asked;
		text_of(i, text);
		bool same = member_read(member, &asked, SERVICE_RECORD, i, 0) == 0 &&
		            asked.read.data_size == strlen(text) && memcmp(asked.read.data, text, strlen(text)) == 0;
		member_end(member, &asked);
		if (!same)
			return false;
	}
	return true;
}

/* NULL, or what is wrong with a member that opens on what a crash left. */
static const char *judge(struct watched *watched, struct member *member, unsigned least, struct clog_error *err)
{
	struct service_state state;
	if (member_try_open(member, err) != 0)
		return "it does not open";
	service_state(member->service, &state);
	if (watched->id != 0 && state.self != watched->id)
		return "it is another member";
	return has_records(watched, member, least) ? NULL : "its records are not those that were sent and acknowledged";
}

/* A disk as it was before the change that is counted down to. */
struct midst {
	uint64_t changes_left;
	struct memory_disk *disk;
};

static void remember(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct midst *midst = arg;
	if (midst->changes_left-- == 0)
		midst->disk = memory_disk_clone(disk);
}

/* While it opens, the machine dies again. */
static const char *judge_twice(struct watched *watched, const struct memory_disk *disk, struct clog_error *err)
{
	struct memory_disk *copy = memory_disk_clone(disk);
	struct midst midst = {.changes_left = dice_below(&watched->dice, 6)};
	struct member member;
	member_init_on(&member, copy, 1);
	memory_disk_watch(copy, remember, &midst);
	member_try_open(&member, NULL);
	memory_disk_watch(copy, NULL, NULL);
	member_finish(&member);
	if (midst.disk == NULL)
		return NULL;
	watched->twice++;
	crashes_any(midst.disk, &watched->dice);
	member_init_on(&member, midst.disk, 2);
	const char *wrong = judge(watched, &member, watched->answered, err);
	member_finish(&member);
	return wrong;
}

/* It lives on for a while, and loses power with all that was not synced. */
static const char *judge_life(struct watched *watched, struct member *member, struct clog_error *err)
{
	char text[400];
	unsigned next = (unsigned)member_next(member), sent = watched->sent;
	text_of(next, text);
	/* What it is sent now may differ from what was sent before the crash and lost; it does not, to keep the
	 * model. */
	assert_int_equal(member_append(member, text, (uint32_t)strlen(text)), next);
	watched->sent = sent > next + 1 ? sent : next + 1;
	member_kill(member);
	memory_disk_crash(member->memory, NULL, NULL);
	const char *wrong = judge(watched, member, next + 1, err);
	watched->sent = sent;
	return wrong;
}

static void check_end(struct memory_disk *disk, const char *how, void *arg)
{
	struct watched *watched = arg;
	struct member member;
	struct clog_error err = {0};
	const char *wrong = dice_once_in(&watched->dice, 4) ? judge_twice(watched, disk, &err) : NULL;
	/* The member takes its disk along when it ends: it gets a copy. */
	member_init_on(&member, memory_disk_clone(disk), 3);
	if (wrong == NULL)
		wrong = judge(watched, &member, watched->answered, &err);
	if (wrong == NULL && dice_once_in(&watched->dice, 2))
		wrong = judge_life(watched, &member, &err);
	member_finish(&member);
	watched->lost += wrong != NULL;
	if (wrong != NULL && !watched->tolerate)
		fail_msg("%s, %s: %s: %s", watched->what, how, wrong, err.text);
}

static void watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct watched *watched = arg;
	if (watched->lost > 0)
		return;
	snprintf(watched->what, sizeof watched->what, "change %u, before %s of %s", watched->changes++,
	         memory_call_name(call), path);
	watched->ends += crashes_each(disk, &watched->dice, watched->tolerate ? 2 : 0, check_end, watched);
	struct memory_disk *pessimist = memory_disk_clone(disk);
	memory_disk_crash(pessimist, NULL, NULL);
	if (watched->id == 0)
		watched->id = id_on(pessimist);
	memory_disk_destroy(pessimist);
}

static void on_answer(struct sent *sent)
{
	assert_int_equal(sent->append.status, 0);
}

static void append(struct watched *watched, unsigned count)
{
	struct sent sent[8] = {0};
	char text[400];
	for (unsigned i = 0; i < count; i++) {
		text_of(watched->sent++, text);
		sent[i].then = on_answer;
		member_send_text(watched->member, &sent[i], text);
	}
	host_settle(&watched->member->host);
	watched->answered += count;
}

static void run(struct watched *watched, uint64_t run_seed, const char *forgotten)
{
	struct member member;
	dice_init(&watched->dice, run_seed);
	watched->member = &member;
	member_init(&member, run_seed);
	memory_disk_ignore_sync(member.memory, forgotten);
	memory_disk_watch(member.memory, watch, watched);
	member_open(&member);
	for (unsigned life = 0; life < 2; life++) {
		append(watched, 1);
		append(watched, 3);
		host_pass(&member.host, CLUSTER_IDLE_MS);
		host_settle(&member.host);
		/* Until another segment is begun. */
		for (unsigned i = 0; i < (life == 0 ? 12 : 1); i++)
			append(watched, 8);
		member_reopen(&member);
	}
	member_finish(&member);
}

static void whatever_a_crash_leaves_opens_with_all_that_was_acknowledged(void **state)
{
	unsigned runs = dice_soak() ? 100 : 3, changes = 0, ends = 0, twice = 0;
	for (unsigned i = 0; i < runs; i++) {
		struct watched watched = {0};
		run(&watched, seed + i, NULL);
		assert_true(watched.id != 0);
		changes += watched.changes;
		ends += watched.ends;
		twice += watched.twice;
	}
	printf("open_crash: %u runs, %u changes of the disk, %u ends, %u of them twice\n", runs, changes, ends, twice);
	assert_true(changes > 60 * runs && ends > 1000 * runs && twice > 100 * runs);
}

/* A disk that forgets syncs must be found out, or the test above proves nothing. */
static void forgotten_syncs_are_found_out(void **state)
{
	static const char *const endings[] = {"identity.new", "vote.new", MEMBER_DATA, ".", "log", ".store"};
	for (unsigned i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		struct watched watched = {.tolerate = true};
		run(&watched, seed, endings[i]);
		printf("open_crash: syncs of *%s forgotten: found after %u ends\n", endings[i], watched.ends);
		assert_true(watched.lost > 0);
	}
}

/* The name of a file that a killed process gave, and did not live to sync, is there until power is lost: those who
 * build on it must make it durable first. */
static void a_name_that_a_killed_process_gave_is_made_durable(void **state)
{
	for (unsigned changes = 1;; changes++) {
		struct member member;
		struct memory_disk *killed = memory_disk_create(), *left = NULL;
		struct log_disk *door = memory_disk_door(killed);
		assert_int_equal(door->make_folder(door, MEMBER_DATA), 0);
		assert_int_equal(door->sync_folder(door, "."), 0);
		member_init_on(&member, killed, 1);
		/* Folders are not synced after the n-th change: what follows it is as if the process had been killed
		 * there, seen by a machine that goes on. */
		faulty_disk_fail(member.faulty, FAULTY_CHANGE, changes, -EIO, FAULTY_ONWARD);
		member_try_open(&member, NULL);
		bool fired = faulty_disk_fired(member.faulty);
		if (member.cluster != NULL)
			member_close(&member);
		left = memory_disk_clone(killed);
		member.host.failures = 0;
		member_finish(&member);
		memory_disk_kill(left);
		member_init_on(&member, left, 2);
		member_open(&member);
		assert_int_equal(member_append_text(&member, "x"), 0);
		member_kill(&member);
		memory_disk_crash(member.memory, NULL, NULL);
		member_open(&member);
		member_expect_text(&member, 0, "x");
		member_finish(&member);
		if (!fired)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_a_crash_leaves_opens_with_all_that_was_acknowledged),
		cmocka_unit_test(forgotten_syncs_are_found_out),
		cmocka_unit_test(a_name_that_a_killed_process_gave_is_made_durable),
	};
	seed = dice_seed("open_crash");
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
