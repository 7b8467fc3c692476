/* The machine as bytes, as it stands in a segment's footer. */
#include "cluster/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/configuration.h"
#include "tests/cluster/history.h"
#include "tests/disk/allocation.h"
#include "tests/disk/dice.h"

/* Where things stand, as docs/format.md has it. */
enum { VERSION = 8, SESSIONS = 12, ENTRY = 16, CLUSTER = 24, FIRST = 32, RETAIN = 40, MEMBERS = 56, BEFORE = 64 };
enum { MEMBERS_SIZE = 72, BEFORE_SIZE = 76, SETTINGS = 80, SETTING_COUNT = 88, SETTINGS_SIZE = 92, HEAD = 96 };
enum { SESSION_ROW = 28, RESULT_ROW = 28, SETTING_ROW = 8 };

static struct history history;
static unsigned char bytes[MACHINE_SIZE_MAX + 1], again[MACHINE_SIZE_MAX];

static int set_up(void **state)
{
	history_init(&history);
	return 0;
}

static int tear_down(void **state)
{
	allocation_fail(0);
	history_finish(&history);
	return 0;
}

static void put(size_t at, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i++)
		bytes[at + i] = (unsigned char)(value >> (8 * i));
}

/* A machine with some of everything: two configurations, limits, settings, three sessions, of which one has no result and one
 * is full and has lost some. */
static void live(void)
{
	struct service_member members[3];
	history_name(members, 3);
	assert_int_equal(history_members(&history, members, 1), 0);
	assert_int_equal(history_members(&history, members, 3), 0);
	assert_int_equal(history_records(&history, 9, NULL, 0), 0);
	assert_int_equal(history_control(&history, &(struct control){.type = CONTROL_TRIM, .offset = 4}), 0);
	const struct control retain = {.type = CONTROL_RETAIN, .retain_bytes = 1 << 30, .retain_ns = 12345};
	assert_int_equal(history_control(&history, &retain), 0);
	uint64_t a = history_session(&history);
	history_client(&history, 0x0102030405060708);
	uint64_t b = history_session(&history);
	assert_int_equal(history_setting(&history, "b", "two", 3), 0);
	assert_int_equal(history_setting(&history, "a/1", "one", 3), 0);
	assert_int_equal(history_row(&history, a, 3, 2), 0);
	assert_int_equal(history_row(&history, a, 7, 1), 0);
	for (uint64_t i = 0; i < MACHINE_RESULTS_MAX + 3; i++)
		assert_int_equal(history_row(&history, b, 1 + 2 * i, 1 + i % 2), 0);
}

static size_t encode(void)
{
	size_t size = machine_encode(&history.machine, bytes);
	assert_true(size <= MACHINE_SIZE_MAX);
	return size;
}

/* Bytes that decode at all encode to the very same bytes; what does not decode leaves a machine as good as new. */
static bool check_bytes(const unsigned char *data, size_t size)
{
	struct machine machine;
	machine_init(&machine);
	int rc = history_decode(&machine, data, size);
	if (rc == 0) {
		assert_int_equal(machine_encode(&machine, again), size);
		assert_memory_equal(again, data, size);
	} else {
		assert_int_equal(rc, -EBADMSG);
		assert_int_equal(machine.entry, 0);
		assert_int_equal(machine.members.count, 0);
		assert_int_equal(machine.session_capacity, 0);
		assert_null(machine.sessions);
	}
	machine_finish(&machine);
	return rc == 0;
}

static void what_is_encoded_is_decoded(void **state)
{
	struct machine machine;
	live();
	size_t size = encode();
	machine_init(&machine);
	assert_int_equal(history_decode(&machine, bytes, size), 0);
	assert_int_equal(machine.entry, history.machine.entry);
	assert_int_equal(machine.cluster, 1);
	assert_int_equal(machine.first_offset, 4);
	assert_int_equal(machine.retain_bytes, 1 << 30);
	assert_int_equal(machine.retain_ns, 12345);
	assert_int_equal(machine.members.entry, 2);
	assert_int_equal(machine.members.count, 3);
	assert_string_equal(machine.members.members[2].address, "host-2:7000");
	assert_int_equal(machine.before.entry, 1);
	assert_int_equal(machine.before.count, 1);
	assert_int_equal(machine.session_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct machine_session *got = machine.sessions[i], *wanted = history.machine.sessions[i];
		assert_int_equal(got->id, wanted->id);
		assert_int_equal(got->used, wanted->used);
		assert_int_equal(got->key, wanted->key);
		assert_int_equal(got->count, wanted->count);
		for (uint32_t k = 0; k < got->count; k++) {
			assert_int_equal(got->results[k].sequence, wanted->results[k].sequence);
			assert_int_equal(got->results[k].offset, wanted->results[k].offset);
			assert_int_equal(got->results[k].entry, wanted->results[k].entry);
			assert_int_equal(got->results[k].count, wanted->results[k].count);
		}
	}
	assert_int_equal(machine.settings->entry, history.machine.settings->entry);
	assert_int_equal(machine.settings->count, 2);
	assert_string_equal(machine.settings->all[0].key, "a/1");
	assert_memory_equal(machine.settings->all[0].value, "one", 3);
	assert_string_equal(machine.settings->all[1].key, "b");
	assert_int_equal(machine.settings->all[1].size, 3);
	assert_int_equal(machine.settings->size, history.machine.settings->size);
	machine_finish(&machine);
}

static void a_new_machine_is_a_head_alone(void **state)
{
	assert_int_equal(encode(), HEAD);
	assert_true(check_bytes(bytes, HEAD));
}

static void the_bytes_are_those_that_are_written_down(void **state)
{
	static const unsigned char head[24] = {'C', 'L', 'O', 'G', 'M', 'A', 'C', 'H', 2, 0, 0, 0, 1, 0, 0, 0, 5};
	static const unsigned char rows[] = {1, 0, 0, 0, 2, 0, 0, 0, 'k', 'v', 'w', /* the setting */
	                                     4, 0, 0, 0, 0, 0, 0, 0, 5,   0,   0,   0, 0, 0,
	                                     0, 0, 1, 0, 0, 0, 9, 0, 0,   0,   0,   0, 0, 0, /* the session */
	                                     5, 0, 0, 0, 0, 0, 0, 0, 9,   0,   0,   0, 0, 0,
	                                     0, 0, 5, 0, 0, 0, 0, 0, 0,   0,   2,   0, 0, 0};
	unsigned char members_bytes[CONFIGURATION_SIZE_MAX];
	struct service_member members[1];
	history_name(members, 1);
	assert_int_equal(history_members(&history, members, 1), 0);
	assert_int_equal(history_records(&history, 9, NULL, 0), 0);
	assert_int_equal(history_setting(&history, "k", "vw", 2), 0);
	assert_int_equal(history_client(&history, 9), 4);
	assert_int_equal(history_row(&history, 4, 5, 2), 0);
	size_t members_size = configuration_encode(members, 1, members_bytes);
	assert_int_equal(encode(), HEAD + members_size + sizeof rows);
	assert_memory_equal(bytes, head, sizeof head);
	assert_int_equal(bytes[CLUSTER], 1);
	assert_int_equal(bytes[MEMBERS], 1);
	assert_int_equal(bytes[MEMBERS_SIZE], members_size);
	assert_int_equal(bytes[SETTINGS], 3);
	assert_int_equal(bytes[SETTING_COUNT], 1);
	assert_int_equal(bytes[SETTINGS_SIZE], 11);
	assert_memory_equal(bytes + HEAD, members_bytes, members_size);
	assert_memory_equal(bytes + HEAD + members_size, rows, sizeof rows);
}

/* As many settings as there can be, of as many bytes. */
static size_t set_all(void)
{
	static unsigned char value[SERVICE_VALUE_SIZE_MAX];
	char key[SERVICE_KEY_SIZE];
	size_t left = SERVICE_SETTINGS_SIZE_MAX;
	for (unsigned i = 0; i < SERVICE_SETTINGS_MAX; i++) {
		snprintf(key, sizeof key, "%03u", i);
		size_t size = left / (SERVICE_SETTINGS_MAX - i) - 3 - 16;
		assert_int_equal(history_setting(&history, key, value, size), 0);
		left -= size + 3 + 16;
	}
	assert_int_equal(left, 0);
	return SERVICE_SETTINGS_SIZE_MAX - SERVICE_SETTINGS_MAX * (16 - SETTING_ROW);
}

static void the_largest_machine_fits(void **state)
{
	size_t settings_size = set_all();
	struct service_member members[SERVICE_MEMBERS_MAX];
	history_name(members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < SERVICE_MEMBERS_MAX; i++) {
		memset(members[i].name + 1, 'n', SERVICE_NAME_SIZE - 2);
		memset(members[i].address, 'a', SERVICE_ADDRESS_SIZE - 1);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(history_members(&history, members, SERVICE_MEMBERS_MAX), 0);
	for (unsigned i = 0; i < MACHINE_SESSIONS_MAX; i++)
		history_client(&history, UINT64_MAX);
	uint64_t first = history.machine.sessions[0]->id;
	struct log_session rows[MACHINE_RESULTS_MAX];
	for (unsigned i = 0; i < MACHINE_SESSIONS_MAX; i++) {
		for (unsigned k = 0; k < MACHINE_RESULTS_MAX; k++)
			rows[k] = (struct log_session){.session = first + i, .sequence = 1 + k, .count = 1};
		struct log_frame *frame = history_frame(&history, MACHINE_RESULTS_MAX, rows, MACHINE_RESULTS_MAX);
		assert_int_equal(machine_apply(&history.machine, frame), 0);
		log_frame_unref(frame);
		history.tail.entry++;
	}
	size_t size = encode();
	assert_int_equal(size, HEAD + settings_size + 2 * (CONFIGURATION_SIZE_MAX - 2 * SERVICE_MEMBERS_MAX) +
	                               MACHINE_SESSIONS_MAX * (SESSION_ROW + MACHINE_RESULTS_MAX * RESULT_ROW));
	assert_true(check_bytes(bytes, size));
}

static void every_truncation_is_refused(void **state)
{
	live();
	size_t size = encode();
	assert_true(check_bytes(bytes, size));
	for (size_t cut = 0; cut < size; cut++)
		assert_false(check_bytes(bytes, cut));
	bytes[size] = 0;
	assert_false(check_bytes(bytes, size + 1));
}

static void every_bit_flipped_is_refused_or_another_machine(void **state)
{
	unsigned taken = 0, refused = 0;
	live();
	size_t size = encode();
	for (size_t bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		bool ok = check_bytes(bytes, size);
		/* The magic, the version, the counts and the sizes have no other right value. */
		assert_false(ok && (bit / 8 < ENTRY || (bit / 8 >= MEMBERS_SIZE && bit / 8 < SETTINGS) ||
		                    (bit / 8 >= SETTING_COUNT && bit / 8 < HEAD)));
		taken += ok;
		refused += !ok;
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	assert_true(taken > 0 && refused > 0);
}

/* One number of a right machine's bytes is another, and they are refused. */
static void expect_refused(size_t at, size_t size, uint64_t value)
{
	size_t whole = encode();
	assert_true(at + size <= whole && check_bytes(bytes, whole));
	put(at, size, value);
	if (check_bytes(bytes, whole))
		fail_msg("%llu at %zu is taken", (unsigned long long)value, at);
}

static void numbers_of_the_head_that_cannot_be_are_refused(void **state)
{
	live();
	expect_refused(VERSION, 4, 0);
	expect_refused(VERSION, 4, 1);
	expect_refused(VERSION, 4, 3);
	expect_refused(SESSIONS, 4, 2);
	expect_refused(SESSIONS, 4, 4);
	expect_refused(SESSIONS, 4, MACHINE_SESSIONS_MAX + 1);
	expect_refused(SESSIONS, 4, UINT32_MAX);
	expect_refused(ENTRY, 8, history.machine.entry - 1);
	expect_refused(CLUSTER, 8, 0);
	expect_refused(CLUSTER, 8, (uint64_t)1 << 48);
	expect_refused(MEMBERS, 8, 0);
	expect_refused(MEMBERS, 8, 1);
	expect_refused(MEMBERS, 8, history.machine.entry + 1);
	expect_refused(BEFORE, 8, 0);
	expect_refused(BEFORE, 8, 2);
	expect_refused(MEMBERS_SIZE, 4, 0);
	expect_refused(MEMBERS_SIZE, 4, UINT32_MAX);
	expect_refused(BEFORE_SIZE, 4, 0);
	expect_refused(BEFORE_SIZE, 4, UINT32_MAX);
	expect_refused(SETTINGS, 8, 0);
	expect_refused(SETTINGS, 8, history.machine.entry + 1);
	expect_refused(SETTING_COUNT, 4, 1);
	expect_refused(SETTING_COUNT, 4, 3);
	expect_refused(SETTING_COUNT, 4, SERVICE_SETTINGS_MAX + 1);
	expect_refused(SETTINGS_SIZE, 4, 0);
	expect_refused(SETTINGS_SIZE, 4, SERVICE_SETTINGS_SIZE_MAX + 1);
	expect_refused(SETTINGS_SIZE, 4, UINT32_MAX);
}

static void settings_that_cannot_be_are_refused(void **state)
{
	assert_int_equal(history_setting(&history, "a", "12", 2), 0);
	assert_int_equal(history_setting(&history, "b", "3", 1), 0);
	const size_t first = HEAD, second = HEAD + SETTING_ROW + 3;
	expect_refused(first, 2, 0);
	expect_refused(first, 2, UINT16_MAX);
	expect_refused(first + 2, 1, 1);
	expect_refused(first + 4, 4, 0);
	expect_refused(first + 4, 4, 3);
	expect_refused(first + 4, 4, UINT32_MAX);
	expect_refused(first + SETTING_ROW, 1, ' ');
	expect_refused(first + SETTING_ROW, 1, 0);
	expect_refused(first + SETTING_ROW, 1, 'b');
	expect_refused(first + SETTING_ROW, 1, 'c');
	expect_refused(second + 4, 4, 2);
	/* All of them gone, it is still known since when. */
	assert_int_equal(history_setting(&history, "a", NULL, 0), 0);
	assert_int_equal(history_setting(&history, "b", NULL, 0), 0);
	assert_int_equal(encode(), HEAD);
	assert_true(check_bytes(bytes, HEAD));
	assert_int_equal(bytes[SETTINGS], 4);
}

static void a_machine_before_the_first_entry_has_nothing(void **state)
{
	for (size_t at = CLUSTER; at < HEAD; at += 8)
		expect_refused(at, 1, 1);
	expect_refused(BEFORE_SIZE, 4, 1);
	expect_refused(SETTINGS_SIZE, 4, 1);
	assert_int_equal(FIRST + 8, RETAIN);
}

static void the_first_configuration_names_the_cluster(void **state)
{
	struct service_member members[2];
	history_name(members, 2);
	assert_int_equal(history_barrier(&history), 0);
	expect_refused(CLUSTER, 8, 1);
	assert_int_equal(history_members(&history, members, 2), 0);
	expect_refused(CLUSTER, 8, 2);
	assert_int_equal(history_members(&history, members + 1, 1), 0);
	size_t size = encode();
	/* By now the founder may be any. */
	put(CLUSTER, 8, 2);
	assert_true(check_bytes(bytes, size));
}

static void sessions_that_cannot_be_are_refused(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		history_session(&history);
	assert_int_equal(history_row(&history, 2, 10, 5), 0);
	assert_int_equal(history_row(&history, 2, 20, 1), 0);
	const size_t first = HEAD, second = HEAD + SESSION_ROW;
	expect_refused(first, 8, 0);       /* an id that is none */
	expect_refused(second, 8, 1);      /* the one before it again */
	expect_refused(second, 8, 3);      /* the one after it */
	expect_refused(first + 8, 8, 0);   /* used before it was opened */
	expect_refused(first + 8, 8, 2);   /* used, but by nothing */
	expect_refused(second + 8, 8, 5);  /* used last before its last result */
	expect_refused(second + 8, 8, 7);  /* used past the last entry */
	expect_refused(second + 16, 4, 1); /* one result less */
	expect_refused(second + 16, 4, 3); /* one more */
	expect_refused(second + 16, 4, MACHINE_RESULTS_MAX + 1);
	expect_refused(second + 16, 4, UINT32_MAX);
}

static void results_that_cannot_be_are_refused(void **state)
{
	history_session(&history);
	assert_int_equal(history_row(&history, 1, 10, 5), 0);
	assert_int_equal(history_row(&history, 1, 20, 1), 0);
	const size_t first = HEAD + SESSION_ROW, second = first + RESULT_ROW;
	expect_refused(first, 8, 0);               /* no sequence */
	expect_refused(first, 8, 16);              /* into the next one */
	expect_refused(first, 8, 30);              /* after the next one */
	expect_refused(second, 8, 14);             /* into the one before */
	expect_refused(second, 8, UINT64_MAX);     /* and none after it */
	expect_refused(second + 8, 8, UINT64_MAX); /* an offset with none after it */
	expect_refused(first + 8, 8, UINT64_MAX - 4);
	expect_refused(first + 16, 8, 1); /* in the entry that opened the session */
	expect_refused(first + 16, 8, 0);
	expect_refused(first + 16, 8, 4);  /* past the last entry */
	expect_refused(second + 16, 8, 2); /* not by what used it last */
	expect_refused(first + 24, 4, 0);  /* no record */
	expect_refused(first + 24, 4, 11); /* into the next one */
	expect_refused(first + 24, 4, UINT32_MAX);
}

static void a_full_session_holds_only_so_many_results(void **state)
{
	history_session(&history);
	for (uint64_t i = 1; i <= MACHINE_RESULTS_MAX; i++)
		assert_int_equal(history_row(&history, 1, i, 1), 0);
	size_t size = encode();
	assert_true(check_bytes(bytes, size));
	/* One more, in all else right. */
	memcpy(bytes + size, bytes + size - RESULT_ROW, RESULT_ROW);
	put(size, 8, MACHINE_RESULTS_MAX + 1);
	put(HEAD + 16, 4, MACHINE_RESULTS_MAX + 1);
	assert_false(check_bytes(bytes, size + RESULT_ROW));
	/* Of a full one, what used it last may be gone. */
	put(HEAD + 16, 4, MACHINE_RESULTS_MAX);
	put(HEAD + 8, 8, history.machine.entry + 1);
	put(ENTRY, 8, history.machine.entry + 1);
	assert_true(check_bytes(bytes, size));
	/* But not before what is there. */
	put(HEAD + 8, 8, history.machine.entry - 1);
	assert_false(check_bytes(bytes, size));
}

static void too_many_sessions_are_refused(void **state)
{
	for (unsigned i = 0; i < MACHINE_SESSIONS_MAX; i++)
		history_session(&history);
	assert_int_equal(history_barrier(&history), 0);
	size_t size = encode();
	assert_true(check_bytes(bytes, size));
	memset(bytes + size, 0, SESSION_ROW);
	put(size, 8, MACHINE_SESSIONS_MAX + 1);
	put(size + 8, 8, MACHINE_SESSIONS_MAX + 1);
	put(SESSIONS, 4, MACHINE_SESSIONS_MAX + 1);
	assert_false(check_bytes(bytes, size + SESSION_ROW));
}

static void memory_that_runs_out_leaves_a_machine_as_good_as_new(void **state)
{
	struct machine machine;
	live();
	size_t size = encode();
	machine_init(&machine);
	unsigned nth = 1;
	for (;; nth++) {
		allocation_fail(nth);
		int rc = machine_decode(&machine, bytes, size);
		bool fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		if (!fired)
			break;
		assert_int_equal(machine_encode(&machine, again), HEAD);
		assert_true(check_bytes(again, HEAD));
	}
	assert_int_equal(nth, 6);
	assert_int_equal(machine_encode(&machine, again), size);
	assert_memory_equal(again, bytes, size);
	machine_finish(&machine);
}

static void bytes_at_random_decode_only_to_what_they_are(void **state)
{
	static unsigned char data[8192];
	struct dice dice;
	unsigned taken = 0, rounds = dice_soak() ? 1000000 : 20000;
	dice_init(&dice, dice_seed("machine_code"));
	live();
	size_t whole = encode();
	assert_true(whole < sizeof data);
	for (unsigned round = 0; round < rounds; round++) {
		/* A right beginning leads deeper; or some bytes of it are others. */
		size_t size = dice_once_in(&dice, 2) ? whole : (size_t)dice_below(&dice, sizeof data);
		size_t right = dice_once_in(&dice, 2) ? whole : (size_t)dice_below(&dice, whole);
		dice_fill(&dice, data + right, sizeof data - right);
		memcpy(data, bytes, right);
		for (uint64_t i = dice_below(&dice, 4); i > 0; i--)
			data[dice_below(&dice, whole)] = (unsigned char)dice_next(&dice);
		taken += check_bytes(data, size);
	}
	assert_true(taken > 0 && taken < rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_encoded_is_decoded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_machine_is_a_head_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_bytes_are_those_that_are_written_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_largest_machine_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_bit_flipped_is_refused_or_another_machine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_of_the_head_that_cannot_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settings_that_cannot_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_machine_before_the_first_entry_has_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_first_configuration_names_the_cluster, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sessions_that_cannot_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(results_that_cannot_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_session_holds_only_so_many_results, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_sessions_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_that_runs_out_leaves_a_machine_as_good_as_new, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(bytes_at_random_decode_only_to_what_they_are, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
