#include "cluster/identity.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "error/error.h"
#include "tests/cluster/crashes.h"
#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"

#define DATA "data"

static const struct identity someone = {.id = 0x123456789abcu, .name = "some.one", .cluster = "clog"};

/* A disk with the folder DATA, durably. */
static struct memory_disk *disk_create(void)
{
	struct memory_disk *disk = memory_disk_create();
	struct log_disk *door = memory_disk_door(disk);
	assert_int_equal(door->make_folder(door, DATA), 0);
	assert_int_equal(door->sync_folder(door, "."), 0);
	return disk;
}

static void disk_destroy(struct memory_disk *disk)
{
	assert_int_equal(memory_disk_handles(disk), 0);
	memory_disk_destroy(disk);
}

static int load(struct memory_disk *disk, struct identity *identity, struct clog_error *err)
{
	*identity = (struct identity){0};
	*err = (struct clog_error){0};
	return identity_load(identity, memory_disk_door(disk), DATA, err);
}

static int load_vote(struct memory_disk *disk, struct vote *vote, struct clog_error *err)
{
	*vote = (struct vote){0};
	*err = (struct clog_error){0};
	return vote_load(vote, memory_disk_door(disk), DATA, err);
}

static void save(struct memory_disk *disk, const struct identity *identity)
{
	assert_int_equal(identity_save(identity, memory_disk_door(disk), DATA, NULL), 0);
}

static void save_vote(struct memory_disk *disk, struct vote *vote, uint64_t term, uint64_t member)
{
	vote->term = term;
	vote->vote = member;
	assert_int_equal(vote_save(vote, memory_disk_door(disk), DATA, NULL), 0);
}

static bool same(const struct identity *a, const struct identity *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && strcmp(a->cluster, b->cluster) == 0;
}

/* The sentence names the file. */
static void expect_error(int rc, const struct clog_error *err, int code, const char *file)
{
	assert_int_equal(rc, code);
	assert_int_equal(err->code, code);
	assert_non_null(strstr(err->text, file));
}

/* ---- Names ---- */

static void names_are_of_letters_digits_dots_dashes_and_underscores(void **state)
{
	const char *const good[] = {"a", "Z", "0", "-", "_", "a.b", "a..", "node-1.example", "ABC_xyz-09"};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(identity_name_ok(good[i]));
	for (unsigned byte = 1; byte < 256; byte++) {
		const char name[] = {'a', (char)byte, '\0'};
		bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
		bool good_byte = letter || (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
		assert_int_equal(identity_name_ok(name), good_byte);
	}
}

static void names_that_are_empty_hidden_or_too_long_are_none(void **state)
{
	char name[SERVICE_NAME_SIZE + 1];
	memset(name, 'x', sizeof name);
	name[SERVICE_NAME_SIZE] = '\0';
	assert_false(identity_name_ok(name));
	name[SERVICE_NAME_SIZE - 1] = '\0';
	assert_true(identity_name_ok(name));
	assert_false(identity_name_ok(""));
	assert_false(identity_name_ok("."));
	assert_false(identity_name_ok(".."));
	assert_false(identity_name_ok(".a"));
}

/* ---- Identity ---- */

static void an_identity_is_loaded_as_it_was_saved(void **state)
{
	struct memory_disk *disk = disk_create();
	struct identity longest = {.id = ((uint64_t)1 << 48) - 1}, loaded;
	struct clog_error err;
	memset(longest.name, 'n', sizeof longest.name - 1);
	memset(longest.cluster, 'c', sizeof longest.cluster - 1);
	save(disk, &longest);
	/* All of it was durable when the call returned. */
	memory_disk_crash(disk, NULL, NULL);
	assert_int_equal(load(disk, &loaded, &err), 0);
	assert_true(same(&loaded, &longest));
	disk_destroy(disk);
}

static void what_is_missing_is_not_there(void **state)
{
	struct memory_disk *disk = disk_create();
	struct identity identity;
	struct vote vote;
	struct clog_error err;
	int rc = load(disk, &identity, &err);
	expect_error(rc, &err, -ENOENT, "data/identity");
	rc = load_vote(disk, &vote, &err);
	expect_error(rc, &err, -ENOENT, "data/vote");
	disk_destroy(disk);
}

/* The file with some bytes flipped: the byte at position and the one at other. */
static struct memory_disk *flipped(const struct memory_disk *disk, const char *path, size_t position, size_t other)
{
	struct memory_disk *copy = memory_disk_clone(disk);
	size_t size, places[] = {position, other};
	for (size_t i = 0; i < (position == other ? 1 : 2); i++) {
		unsigned char byte = (unsigned char)~memory_disk_bytes(copy, path, &size)[places[i]];
		assert_true(places[i] < size);
		memory_disk_poke(copy, path, places[i], &byte, 1);
	}
	return copy;
}

static void one_corrupt_slot_is_made_good_by_the_other(void **state)
{
	struct memory_disk *disk = disk_create();
	struct vote vote = {0};
	save(disk, &someone);
	save_vote(disk, &vote, 7, 9);
	save_vote(disk, &vote, 8, 10);
	for (size_t i = 0; i < LOG_CELL_SIZE; i++) {
		struct identity loaded;
		struct vote again;
		struct clog_error err;
		struct memory_disk *copy = flipped(disk, "data/identity", i, i);
		assert_int_equal(load(copy, &loaded, &err), 0);
		assert_true(same(&loaded, &someone));
		disk_destroy(copy);
		copy = flipped(disk, "data/vote", i, i);
		assert_int_equal(load_vote(copy, &again, &err), 0);
		assert_int_equal(again.term, 8);
		assert_int_equal(again.vote, 10);
		disk_destroy(copy);
	}
	disk_destroy(disk);
}

static void two_corrupt_slots_are_an_error_that_names_the_file(void **state)
{
	struct memory_disk *disk = disk_create();
	struct vote vote = {0};
	save(disk, &someone);
	save_vote(disk, &vote, 7, 9);
	for (size_t i = 0; i < LOG_CELL_SLOT_SIZE; i++) {
		struct identity loaded;
		struct vote again;
		struct clog_error err;
		size_t other = LOG_CELL_SLOT_SIZE + (i * 31) % LOG_CELL_SLOT_SIZE;
		struct memory_disk *copy = flipped(disk, "data/identity", i, other);
		int rc = load(copy, &loaded, &err);
		expect_error(rc, &err, -EBADMSG, "data/identity");
		disk_destroy(copy);
		copy = flipped(disk, "data/vote", i, other);
		rc = load_vote(copy, &again, &err);
		expect_error(rc, &err, -EBADMSG, "data/vote");
		disk_destroy(copy);
	}
	disk_destroy(disk);
}

static void a_file_that_was_cut_is_right_or_an_error(void **state)
{
	struct memory_disk *disk = disk_create();
	unsigned char bytes[LOG_CELL_SIZE];
	size_t size;
	save(disk, &someone);
	const unsigned char *whole = memory_disk_bytes(disk, "data/identity", &size);
	assert_int_equal(size, sizeof bytes);
	memcpy(bytes, whole, size);
	for (size_t cut = 0; cut < size; cut++) {
		struct identity loaded;
		struct clog_error err;
		memory_disk_put(disk, "data/identity", bytes, cut);
		int rc = load(disk, &loaded, &err);
		if (rc == 0)
			assert_true(same(&loaded, &someone));
		else
			expect_error(rc, &err, -EBADMSG, "data/identity");
		assert_true(rc != 0 || cut >= LOG_CELL_SLOT_SIZE);
	}
	disk_destroy(disk);
}

/* A cell that is valid and holds what no identity is. */
static void expect_no_identity(uint64_t id, const char *name, const char *cluster)
{
	struct {
		uint64_t id;
		char name[SERVICE_NAME_SIZE], cluster[SERVICE_NAME_SIZE];
	} value = {.id = id};
	struct memory_disk *disk = disk_create();
	struct log_cell cell = {0};
	struct identity loaded;
	struct clog_error err;
	memcpy(value.name, name, strnlen(name, SERVICE_NAME_SIZE));
	memcpy(value.cluster, cluster, strnlen(cluster, SERVICE_NAME_SIZE));
	assert_int_equal(
		log_cell_save(memory_disk_door(disk), DATA, "data/identity", &cell, &value, sizeof value, NULL), 0);
	int rc = load(disk, &loaded, &err);
	expect_error(rc, &err, -EBADMSG, "data/identity");
	disk_destroy(disk);
}

static void what_names_no_member_is_no_identity(void **state)
{
	char endless[SERVICE_NAME_SIZE + 1];
	memset(endless, 'e', sizeof endless);
	endless[SERVICE_NAME_SIZE] = '\0';
	expect_no_identity(0, "a", "b");
	expect_no_identity((uint64_t)1 << 48, "a", "b");
	expect_no_identity(1, "", "b");
	expect_no_identity(1, "a", "");
	expect_no_identity(1, "a/b", "b");
	expect_no_identity(1, "a", ".b");
	expect_no_identity(1, endless, "b");
	expect_no_identity(1, "a", endless);
}

static void a_path_that_is_too_long_is_an_error(void **state)
{
	static char data[PATH_MAX + 1];
	struct memory_disk *disk = disk_create();
	struct identity identity = someone;
	struct vote vote = {0};
	struct clog_error err = {0};
	memset(data, 'd', PATH_MAX);
	struct log_disk *door = memory_disk_door(disk);
	assert_int_equal(identity_save(&identity, door, data, &err), -ENAMETOOLONG);
	assert_int_equal(identity_load(&identity, door, data, &err), -ENAMETOOLONG);
	assert_int_equal(vote_save(&vote, door, data, &err), -ENAMETOOLONG);
	assert_int_equal(vote_load(&vote, door, data, &err), -ENAMETOOLONG);
	assert_int_equal(err.code, -ENAMETOOLONG);
	disk_destroy(disk);
}

/* ---- The vote ---- */

static void the_last_vote_saved_is_the_one_loaded(void **state)
{
	struct memory_disk *disk = disk_create();
	struct vote vote = {0}, loaded;
	struct clog_error err;
	for (uint64_t term = 1; term <= 20; term++) {
		save_vote(disk, &vote, term, term * 1000);
		memory_disk_crash(disk, NULL, NULL);
		assert_int_equal(load_vote(disk, &loaded, &err), 0);
		assert_int_equal(loaded.term, term);
		assert_int_equal(loaded.vote, term * 1000);
		/* Sometimes one goes on with what was loaded, as after a start. */
		if (term % 3 == 0)
			vote = loaded;
	}
	disk_destroy(disk);
}

static void a_vote_of_another_size_is_corrupt(void **state)
{
	struct memory_disk *disk = disk_create();
	struct log_cell cell = {0};
	struct vote vote;
	struct clog_error err;
	assert_int_equal(log_cell_save(memory_disk_door(disk), DATA, "data/vote", &cell, "12345678", 8, NULL), 0);
	int rc = load_vote(disk, &vote, &err);
	expect_error(rc, &err, -EBADMSG, "data/vote");
	disk_destroy(disk);
}

/* ---- Crashes: at every change of the disk, in every way ---- */

struct crash {
	struct dice dice;
	uint64_t term;   /* durable */
	bool identified; /* the identity is */
	unsigned ends;
};

static void check_end(struct memory_disk *disk, const char *how, void *arg)
{
	struct crash *crash = arg;
	struct identity identity;
	struct vote vote;
	struct clog_error err;
	int rc = load(disk, &identity, &err);
	if (rc == 0 ? !same(&identity, &someone) : rc != -ENOENT || crash->identified)
		fail_msg("identity, %s: %d %s", how, rc, err.text);
	rc = load_vote(disk, &vote, &err);
	bool right = rc == 0 ? (vote.term == crash->term || vote.term == crash->term + 1) && vote.vote == vote.term * 10
	                     : rc == -ENOENT && crash->term == 0;
	if (!right)
		fail_msg("vote, %s: %d %s, term %llu where %llu was durable", how, rc, err.text,
		         (unsigned long long)vote.term, (unsigned long long)crash->term);
}

static void watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct crash *crash = arg;
	crash->ends += crashes_each(disk, &crash->dice, 0, check_end, crash);
}

static void a_crash_leaves_the_value_before_or_the_value_after(void **state)
{
	struct memory_disk *disk = disk_create();
	struct crash crash = {0};
	struct vote vote = {0};
	dice_init(&crash.dice, dice_seed("identity"));
	memory_disk_watch(disk, watch, &crash);
	save(disk, &someone);
	crash.identified = true;
	for (; crash.term < 5; crash.term++)
		save_vote(disk, &vote, crash.term + 1, (crash.term + 1) * 10);
	watch(disk, MEMORY_WRITE, "", &crash);
	memory_disk_watch(disk, NULL, NULL);
	assert_true(crash.ends > 200);
	disk_destroy(disk);
}

/* ---- Faults: the Nth call fails ---- */

static void expect_fault(struct memory_disk *memory, struct faulty_disk *faulty, int rc, const struct clog_error *err,
                         const char *file)
{
	assert_int_equal(memory_disk_handles(memory), 0);
	if (faulty_disk_fired(faulty))
		expect_error(rc, err, -EIO, file);
	else
		assert_int_equal(rc, 0);
}

static unsigned fail_save(unsigned nth, unsigned votes_before)
{
	struct memory_disk *memory = disk_create();
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(memory));
	struct log_disk *door = faulty_disk_door(faulty);
	struct clog_error err = {0};
	struct vote vote = {0}, loaded;
	struct identity identity;
	for (unsigned i = 0; i < votes_before; i++)
		save_vote(memory, &vote, i + 1, 10 * (i + 1));
	vote.term = votes_before + 1;
	vote.vote = 10 * vote.term;
	faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_PARTLY);
	int rc = vote_save(&vote, door, DATA, &err);
	expect_fault(memory, faulty, rc, &err, "data/vote");
	bool fired = faulty_disk_fired(faulty);
	rc = load_vote(memory, &loaded, &err);
	assert_true(rc == 0 || (rc == -ENOENT && votes_before == 0));
	if (rc == 0)
		assert_true(loaded.term == vote.term || (fired && loaded.term == votes_before));
	faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
	rc = identity_save(&someone, door, DATA, &err);
	expect_fault(memory, faulty, rc, &err, "data/identity");
	fired = fired || faulty_disk_fired(faulty);
	rc = load(memory, &identity, &err);
	assert_true(rc == 0 ? same(&identity, &someone) : rc == -ENOENT && fired);
	faulty_disk_destroy(faulty);
	disk_destroy(memory);
	return fired;
}

static void every_fault_in_saving_is_an_error_that_names_the_file(void **state)
{
	for (unsigned votes_before = 0; votes_before < 4; votes_before++) {
		unsigned nth = 1;
		while (fail_save(nth, votes_before))
			nth++;
		assert_true(nth > 4);
	}
}

static void every_fault_in_loading_is_an_error_that_names_the_file(void **state)
{
	struct memory_disk *memory = disk_create();
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(memory));
	struct vote vote = {0};
	save(memory, &someone);
	save_vote(memory, &vote, 3, 4);
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		struct identity identity;
		struct clog_error err = {0};
		faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
		int rc = identity_load(&identity, faulty_disk_door(faulty), DATA, &err);
		expect_fault(memory, faulty, rc, &err, "data/identity");
		fired = faulty_disk_fired(faulty);
		faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
		rc = vote_load(&vote, faulty_disk_door(faulty), DATA, &err);
		expect_fault(memory, faulty, rc, &err, "data/vote");
		assert_int_equal(faulty_disk_fired(faulty), fired);
		assert_true(nth < 20);
	}
	faulty_disk_destroy(faulty);
	disk_destroy(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_of_letters_digits_dots_dashes_and_underscores),
		cmocka_unit_test(names_that_are_empty_hidden_or_too_long_are_none),
		cmocka_unit_test(an_identity_is_loaded_as_it_was_saved),
		cmocka_unit_test(what_is_missing_is_not_there),
		cmocka_unit_test(one_corrupt_slot_is_made_good_by_the_other),
		cmocka_unit_test(two_corrupt_slots_are_an_error_that_names_the_file),
		cmocka_unit_test(a_file_that_was_cut_is_right_or_an_error),
		cmocka_unit_test(what_names_no_member_is_no_identity),
		cmocka_unit_test(a_path_that_is_too_long_is_an_error),
		cmocka_unit_test(the_last_vote_saved_is_the_one_loaded),
		cmocka_unit_test(a_vote_of_another_size_is_corrupt),
		cmocka_unit_test(a_crash_leaves_the_value_before_or_the_value_after),
		cmocka_unit_test(every_fault_in_saving_is_an_error_that_names_the_file),
		cmocka_unit_test(every_fault_in_loading_is_an_error_that_names_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
