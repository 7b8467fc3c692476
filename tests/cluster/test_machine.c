/* What entries other than records do to the machine; sessions are in test_machine_sessions.c. */
#include "cluster/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/history.h"
#include "tests/disk/allocation.h"

static struct history history;

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

static void a_new_machine_stands_before_the_first_entry(void **state)
{
	assert_int_equal(history.machine.entry, 0);
	assert_int_equal(history.machine.members.entry, 0);
	assert_int_equal(history.machine.session_count, 0);
	assert_int_equal(history_barrier(&history), 0);
	assert_int_equal(history.machine.entry, 1);
}

static void an_entry_that_does_not_follow_is_refused(void **state)
{
	const uint64_t wrong[] = {0, 1, 2, 4, UINT64_MAX - 1, UINT64_MAX};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(history_barrier(&history), 0);
	struct log_tail tail = history.tail;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		history.tail.entry = wrong[i];
		assert_int_equal(history_barrier(&history), -EBADMSG);
	}
	history.tail = tail;
	assert_int_equal(history_barrier(&history), 0);
}

static void no_entry_follows_the_last_number(void **state)
{
	history.machine.entry = history.tail.entry = UINT64_MAX;
	assert_int_equal(history_barrier(&history), -EBADMSG);
}

static void a_barrier_and_records_of_no_session_change_nothing_but_the_entry(void **state)
{
	static unsigned char before[MACHINE_SIZE_MAX], after[MACHINE_SIZE_MAX];
	size_t size = machine_encode(&history.machine, before);
	assert_int_equal(history_barrier(&history), 0);
	assert_int_equal(history_records(&history, 3, NULL, 0), 0);
	assert_int_equal(history_row(&history, 0, 0, 2), 0);
	assert_int_equal(history_records(&history, 0, NULL, 0), 0);
	assert_int_equal(history.machine.entry, 4);
	history.machine.entry = 0;
	assert_int_equal(machine_encode(&history.machine, after), size);
	assert_memory_equal(after, before, size);
}

static void a_trim_raises_the_first_offset_and_never_lowers_it(void **state)
{
	assert_int_equal(history_records(&history, 10, NULL, 0), 0);
	const uint64_t asked[] = {0, 4, 3, 4, 10, 0}, wanted[] = {0, 4, 4, 4, 10, 10};
	for (size_t i = 0; i < 6; i++) {
		const struct control trim = {.type = CONTROL_TRIM, .offset = asked[i]};
		assert_int_equal(history_control(&history, &trim), 0);
		assert_int_equal(history.machine.first_offset, wanted[i]);
	}
}

static void a_trim_past_the_next_record_is_refused(void **state)
{
	assert_int_equal(history_records(&history, 10, NULL, 0), 0);
	assert_int_equal(history_control(&history, &(struct control){.type = CONTROL_TRIM, .offset = 11}), -EBADMSG);
	assert_int_equal(history_control(&history, &(struct control){.type = CONTROL_TRIM, .offset = UINT64_MAX}),
	                 -EBADMSG);
	assert_int_equal(history.machine.first_offset, 0);
}

static void retention_is_what_was_asked_last(void **state)
{
	const uint64_t bytes[] = {5, UINT64_MAX, 0}, time_ns[] = {0, UINT64_MAX, 3};
	for (size_t i = 0; i < 3; i++) {
		const struct control retain = {
			.type = CONTROL_RETAIN, .retain_bytes = bytes[i], .retain_ns = time_ns[i]};
		assert_int_equal(history_control(&history, &retain), 0);
		assert_int_equal(history.machine.retain_bytes, bytes[i]);
		assert_int_equal(history.machine.retain_ns, time_ns[i]);
	}
}

static void expect_members(const struct machine_members *members, uint64_t entry, size_t count, const char *first)
{
	assert_int_equal(members->entry, entry);
	assert_int_equal(members->count, count);
	assert_string_equal(members->members[0].name, first);
	assert_int_equal(members->members[count].id, 0);
}

static void the_last_configuration_and_the_one_before_it_are_kept(void **state)
{
	struct service_member members[3];
	history_name(members, 3);
	assert_int_equal(history_barrier(&history), 0);
	assert_int_equal(history_members(&history, members, 3), 0);
	expect_members(&history.machine.members, 2, 3, "a");
	assert_int_equal(history.machine.before.entry, 0);
	assert_int_equal(history.machine.before.count, 0);
	assert_int_equal(history_barrier(&history), 0);
	assert_int_equal(history_members(&history, members + 1, 2), 0);
	expect_members(&history.machine.members, 4, 2, "b");
	expect_members(&history.machine.before, 2, 3, "a");
	assert_int_equal(history_members(&history, members + 2, 1), 0);
	expect_members(&history.machine.members, 5, 1, "c");
	expect_members(&history.machine.before, 4, 2, "b");
}

static void the_cluster_is_named_after_its_founder_for_ever(void **state)
{
	struct service_member members[3];
	history_name(members, 3);
	members[1].id = ((uint64_t)1 << 48) - 1;
	assert_int_equal(history.machine.cluster, 0);
	assert_int_equal(history_members(&history, members + 1, 1), 0);
	assert_int_equal(history.machine.cluster, ((uint64_t)1 << 48) - 1);
	assert_int_equal(history_members(&history, members, 3), 0);
	assert_int_equal(history_members(&history, members + 2, 1), 0);
	assert_int_equal(history.machine.cluster, ((uint64_t)1 << 48) - 1);
}

static void an_item_that_is_no_command_or_configuration_is_refused(void **state)
{
	const struct service_member nobody = {.id = 0, .name = "a"};
	const enum log_type types[] = {LOG_CONTROL, LOG_CONFIGURATION};
	const unsigned char zeros[CONTROL_SIZE] = {0};
	assert_int_equal(history_members(&history, &nobody, 1), -EBADMSG);
	for (size_t i = 0; i < 2; i++) {
		struct log_frame *frame;
		assert_int_equal(history_take(&history, history_item(&history, types[i], zeros, sizeof zeros)),
		                 -EBADMSG);
		assert_int_equal(history_take(&history, history_item(&history, types[i], "", 0)), -EBADMSG);
		assert_int_equal(log_frame_create(&frame), 0);
		log_frame_close(frame, &history.tail, &(struct log_header){.term = 1, .type = types[i]});
		assert_int_equal(history_take(&history, frame), -EBADMSG);
	}
	assert_int_equal(history.machine.entry, 0);
	assert_int_equal(history_barrier(&history), 0);
}

static void a_trim_and_records_need_no_memory(void **state)
{
	struct service_member members[2];
	struct log_frame *frames[4];
	history_name(members, 2);
	uint64_t session = history_session(&history);
	const struct log_session row = {.session = session, .sequence = 1, .count = 1};
	for (unsigned i = 0; i < 4; i++) {
		unsigned char data[CONTROL_SIZE];
		control_encode(&(struct control){.type = i == 0 ? CONTROL_TRIM : CONTROL_RETAIN}, data);
		frames[i] = i < 2 ? history_item(&history, LOG_CONTROL, data, sizeof data)
		                  : history_frame(&history, 1, &row, i == 2 ? 1 : 0);
		allocation_fail(1);
		assert_int_equal(machine_apply(&history.machine, frames[i]), 0);
		assert_false(allocation_fired());
		allocation_fail(0);
		log_frame_unref(frames[i]);
		history.tail.entry = history.machine.entry;
	}
}

static void sessions_that_find_no_memory_leave_the_machine_as_it_was(void **state)
{
	unsigned failures = 0;
	unsigned char data[CONTROL_SIZE];
	control_encode(&(struct control){.type = CONTROL_SESSION}, data);
	for (unsigned i = 0; i < MACHINE_SESSIONS_MAX; i++) {
		for (unsigned nth = 1;; nth++) {
			struct log_frame *frame = history_item(&history, LOG_CONTROL, data, sizeof data);
			allocation_fail(nth);
			int rc = history_take(&history, frame);
			bool fired = allocation_fired();
			allocation_fail(0);
			assert_int_equal(rc, fired ? -ENOMEM : 0);
			assert_int_equal(history.machine.session_count, i + !fired);
			if (!fired)
				break;
			failures++;
		}
	}
	/* One of each session, and one of each time that the list grew: 8, 16, ... 512. */
	assert_int_equal(failures, MACHINE_SESSIONS_MAX + 7);
	/* The next one takes the place of another. */
	struct log_frame *frame = history_item(&history, LOG_CONTROL, data, sizeof data);
	allocation_fail(1);
	assert_int_equal(history_take(&history, frame), 0);
	assert_false(allocation_fired());
}

static void a_setting_is_what_was_set_last(void **state)
{
	assert_null(history.machine.settings);
	assert_int_equal(history_setting(&history, "b", "1", 1), 0);
	assert_int_equal(history_setting(&history, "a", "22", 2), 0);
	assert_int_equal(history_setting(&history, "ab", "333", 3), 0);
	assert_int_equal(history_setting(&history, "b", "4444", 4), 0);
	const struct settings *settings = history.machine.settings;
	assert_int_equal(settings->entry, 4);
	assert_int_equal(settings->count, 3);
	static const char *const keys[] = {"a", "ab", "b"}, *const values[] = {"22", "333", "4444"};
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(settings->all[i].key, keys[i]);
		assert_int_equal(settings->all[i].size, strlen(values[i]));
		assert_memory_equal(settings->all[i].value, values[i], strlen(values[i]));
	}
	assert_int_equal(settings->size, 4 + 9 + 3 * SETTINGS_OVERHEAD);
	assert_int_equal(history_setting(&history, "ab", NULL, 0), 0);
	assert_int_equal(history_setting(&history, "nothing", NULL, 0), 0);
	settings = history.machine.settings;
	assert_int_equal(settings->entry, 6);
	assert_int_equal(settings->count, 2);
	assert_string_equal(settings->all[1].key, "b");
	/* Another entry leaves them be. */
	assert_int_equal(history_barrier(&history), 0);
	assert_ptr_equal(history.machine.settings, settings);
}

static void settings_past_their_limits_are_refused(void **state)
{
	static const unsigned char value[SERVICE_VALUE_SIZE_MAX];
	const size_t whole = SERVICE_VALUE_SIZE_MAX,
		     left = SERVICE_SETTINGS_SIZE_MAX - 2 * (1 + SETTINGS_OVERHEAD) - whole;
	char key[SERVICE_KEY_SIZE];
	assert_int_equal(history_setting(&history, "a", value, whole), 0);
	assert_int_equal(history_setting(&history, "b", value, left + 1), -EBADMSG);
	assert_int_equal(history_setting(&history, "b", value, left), 0);
	assert_int_equal(history_setting(&history, "c", value, 1), -EBADMSG);
	assert_int_equal(history_setting(&history, "a", value, whole - 1 - SETTINGS_OVERHEAD - 1), 0);
	assert_int_equal(history_setting(&history, "c", value, 1), 0);
	/* What was full takes what is smaller, and less. */
	assert_int_equal(history_setting(&history, "a", value, 1), 0);
	assert_int_equal(history_setting(&history, "b", NULL, 0), 0);
	for (unsigned i = 2; i < SERVICE_SETTINGS_MAX; i++) {
		snprintf(key, sizeof key, "k%u", i);
		assert_int_equal(history_setting(&history, key, value, 1), 0);
	}
	assert_int_equal(history.machine.settings->count, SERVICE_SETTINGS_MAX);
	assert_int_equal(history_setting(&history, "one-more", value, 1), -EBADMSG);
	assert_int_equal(history_setting(&history, "a", value, 2), 0);
}

static void a_setting_that_finds_no_memory_leaves_the_machine_as_it_was(void **state)
{
	assert_int_equal(history_setting(&history, "a", "1", 1), 0);
	const struct settings *before = history.machine.settings;
	unsigned char data[CONTROL_SIZE + 2];
	const struct control control = {
		.type = CONTROL_SETTING, .key = "a", .key_size = 1, .value = "2", .value_size = 1};
	struct log_frame *frame = history_item(&history, LOG_CONTROL, data, control_encode(&control, data));
	allocation_fail(1);
	assert_int_equal(machine_apply(&history.machine, frame), -ENOMEM);
	allocation_fail(0);
	assert_ptr_equal(history.machine.settings, before);
	assert_int_equal(history_take(&history, frame), 0);
	assert_memory_equal(history.machine.settings->all[0].value, "2", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_machine_stands_before_the_first_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_entry_that_does_not_follow_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_entry_follows_the_last_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_barrier_and_records_of_no_session_change_nothing_but_the_entry,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_trim_raises_the_first_offset_and_never_lowers_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_trim_past_the_next_record_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(retention_is_what_was_asked_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_configuration_and_the_one_before_it_are_kept, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(the_cluster_is_named_after_its_founder_for_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_item_that_is_no_command_or_configuration_is_refused, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_setting_is_what_was_set_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(settings_past_their_limits_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_setting_that_finds_no_memory_leaves_the_machine_as_it_was, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_trim_and_records_need_no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sessions_that_find_no_memory_leave_the_machine_as_it_was, set_up,
	                                        tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
