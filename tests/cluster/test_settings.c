/* Settings: what is committed is in force on all members, and where it is not known that is said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

static struct several several;

static int set_up(void **state)
{
	several_init(&several);
	return 0;
}

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	several_agree(&several);
}

static struct told setting(const char *key, const char *value)
{
	return (struct told){.command = {.kind = SERVICE_SET,
	                                 .key = key,
	                                 .setting = value,
	                                 .setting_size = value == NULL ? 0 : strlen(value)}};
}

static int set(size_t i, const char *key, const char *value)
{
	struct told told = setting(key, value);
	return several_command(&several, i, &told);
}

static struct service_state state_of(size_t i)
{
	struct service_state state;
	service_state(several_member(&several, i)->service, &state);
	return state;
}

/* What a member has under a key; NULL: nothing. */
static const char *value_of(size_t i, const char *key)
{
	static char text[64];
	struct service_setting settings[SERVICE_SETTINGS_MAX];
	size_t count = service_settings(several_member(&several, i)->service, settings, SERVICE_SETTINGS_MAX);
	for (size_t k = 0; k < count; k++) {
		if (strcmp(settings[k].key, key) != 0)
			continue;
		assert_true(settings[k].size < sizeof text);
		snprintf(text, sizeof text, "%.*s", (int)settings[k].size, (const char *)settings[k].value);
		return text;
	}
	return NULL;
}

static void expect(size_t i, const char *key, const char *value)
{
	const char *got = value_of(i, key);
	assert_int_equal(got == NULL, value == NULL);
	if (value != NULL)
		assert_string_equal(got, value);
}

static void a_setting_is_in_force_where_it_was_answered_and_then_everywhere(void **state)
{
	found(3);
	assert_true(state_of(1).settings_known);
	assert_int_equal(state_of(1).settings_entry, 0);
	assert_int_equal(set(1, "acl/a", "one"), 0);
	expect(1, "acl/a", "one");
	several_agree(&several);
	for (size_t i = 0; i < 3; i++) {
		expect(i, "acl/a", "one");
		assert_int_equal(state_of(i).settings_entry, state_of(0).settings_entry);
		assert_true(state_of(i).settings_entry > 0);
	}
	assert_int_equal(set(2, "acl/a", NULL), 0);
	expect(2, "acl/a", NULL);
	assert_int_equal(set(0, "acl/a", "two"), 0);
	expect(0, "acl/a", "two");
	several_kill(&several, 1);
	several_open(&several, 1);
	several_agree(&several);
	expect(1, "acl/a", "two");
	several_expect_equal(&several);
	/* No more than is asked for is given. */
	struct service_setting one;
	assert_int_equal(set(0, "b", "3"), 0);
	assert_int_equal(service_settings(several_member(&several, 0)->service, &one, 1), 2);
	assert_string_equal(one.key, "acl/a");
}

static void what_is_no_setting_is_refused(void **state)
{
	static char large[SERVICE_VALUE_SIZE_MAX + 1];
	struct told told = setting("a b", "x");
	found(1);
	several_tell(&several, 0, &told);
	assert_int_equal(told.refused, -EINVAL);
	told = setting("a", "x");
	told.command.setting = large;
	told.command.setting_size = sizeof large;
	several_tell(&several, 0, &told);
	assert_int_equal(told.refused, -EMSGSIZE);
	told.command.setting_size = sizeof large - 1;
	assert_int_equal(several_command(&several, 0, &told), 0);
}

static void more_settings_than_there_is_room_for_are_refused_and_no_entry(void **state)
{
	static char large[SERVICE_VALUE_SIZE_MAX];
	found(3);
	for (size_t i = 0; i < 3; i++) {
		struct told told = setting(i == 0 ? "a" : i == 1 ? "b" : "c", "");
		told.command.setting = large;
		told.command.setting_size = i < 1 ? sizeof large : sizeof large - 100;
		uint64_t entry = several_cluster(&several, 0)->machine.entry;
		assert_int_equal(several_command(&several, 2, &told), i < 2 ? 0 : -ENOSPC);
		assert_int_equal(several_cluster(&several, 0)->machine.entry, entry + (i < 2));
	}
	assert_int_equal(set(1, "d", "small"), 0);
	assert_int_equal(
		set(1, "e", "still small, and still more than there is room for now, as the two above leave but few"),
		-ENOSPC);
	several_expect_equal(&several);
}

static void what_is_not_committed_is_not_in_force(void **state)
{
	struct told told = setting("a", "new");
	found(3);
	assert_int_equal(set(0, "a", "old"), 0);
	several_agree(&several);
	several_isolate(&several, 0, true);
	several_tell(&several, 0, &told);
	several_settle(&several);
	assert_int_equal(several_cluster(&several, 0)->machine.settings->entry,
	                 several_cluster(&several, 0)->machine.entry);
	expect(0, "a", "old");
	several_pass(&several, 3000);
	size_t leader = several_lead(&several);
	assert_int_not_equal(leader, 0);
	/* Its log is cut, and the entry gone with what it said. */
	assert_int_equal(set(leader, "b", "else"), 0);
	several_isolate(&several, 0, false);
	several_agree(&several);
	several_pass(&several, 3000);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, 0);
	several_agree(&several);
	for (size_t i = 0; i < 3; i++) {
		expect(i, "a", "new");
		expect(i, "b", "else");
	}
	several_expect_equal(&several);
}

static void at_a_start_what_the_log_has_is_in_force(void **state)
{
	struct told told = setting("a", "new");
	found(3);
	assert_int_equal(set(0, "a", "old"), 0);
	several_agree(&several);
	several_isolate(&several, 0, true);
	several_tell(&several, 0, &told);
	several_settle(&several);
	expect(0, "a", "old");
	several_kill(&several, 0);
	several_open(&several, 0);
	several_isolate(&several, 0, true);
	expect(0, "a", "new");
	assert_true(state_of(0).settings_known);
	/* The others have never heard of it. */
	assert_int_equal(set(several_lead(&several), "b", "x"), 0);
	several_isolate(&several, 0, false);
	several_agree(&several);
	expect(0, "a", "old");
	expect(0, "b", "x");
	several_expect_equal(&several);
}

static unsigned calls;

static void count_call(void *arg)
{
	calls++;
}

static void who_watches_is_told_of_other_settings(void **state)
{
	struct service_watch watch;
	found(3);
	service_watch(several_member(&several, 2)->service, &watch, count_call, NULL);
	calls = 0;
	assert_int_equal(set(0, "a", "1"), 0);
	several_agree(&several);
	assert_int_equal(calls, 1);
	struct told told = {.command = {.kind = SERVICE_TRIM}};
	assert_int_equal(several_command(&several, 0, &told), 0);
	several_agree(&several);
	assert_int_equal(calls, 1);
	several_append(&several, 0, "x");
	several_agree(&several);
	assert_int_equal(calls, 2);
	service_unwatch(several_member(&several, 2)->service, &watch);
}

static bool is_known(struct several *all, void *arg)
{
	return state_of(3).settings_known;
}

static void a_joiner_does_not_know_them_before_it_has_come_to_where_it_came_in(void **state)
{
	found(3);
	assert_int_equal(set(0, "a", "1"), 0);
	several_add(&several);
	several_isolate(&several, 3, true);
	several_open_at(&several, 3, 0);
	several_isolate(&several, 3, true);
	several_pass(&several, 1000);
	assert_false(state_of(3).settings_known);
	several_isolate(&several, 3, false);
	several_await(&several, is_known, NULL, "the joiner does not know the settings");
	expect(3, "a", "1");
	several_agree(&several);
	/* Nor does a spare, nor one that is a member no more. */
	assert_int_equal(several_set_role(&several, 0, 3, SERVICE_SPARE), 0);
	several_pass(&several, 2000);
	assert_false(state_of(3).settings_known);
	assert_int_equal(several_set_role(&several, 0, 3, SERVICE_STANDBY), 0);
	several_await(&several, is_known, NULL, "the standby does not know the settings");
	assert_int_equal(several_remove(&several, 0, 3), 0);
	several_pass(&several, 2000);
	assert_false(state_of(3).settings_known);
}

static void many_changes_at_once_are_all_made(void **state)
{
	enum { COUNT = 3 * SETTINGS_MAX };
	static struct told all[COUNT];
	static char keys[COUNT][8];
	found(3);
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(keys[i], sizeof keys[i], "k%zu", i);
		all[i] = setting(keys[i], "v");
		several_tell(&several, 1, &all[i]);
	}
	for (unsigned tries = 0; tries < 90 && all[COUNT - 1].answers == 0; tries++)
		several_pass(&several, 100);
	several_pass(&several, 5000);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(all[i].answers, 1);
		assert_int_equal(all[i].command.status, 0);
		expect(1, keys[i], "v");
	}
	several_expect_equal(&several);
}

static bool late;

static bool change_term(struct several *all, size_t from, size_t to, struct message *message)
{
	if (late && message->type == MESSAGE_CONTROL)
		message->term--;
	return false;
}

static void a_setting_of_another_term_is_given_again(void **state)
{
	struct told told = setting("a", "1");
	found(3);
	several.filter = change_term;
	late = true;
	several_tell(&several, 1, &told);
	several_pass(&several, 300);
	assert_int_equal(told.answers, 0);
	assert_null(several_cluster(&several, 0)->machine.settings);
	late = false;
	several_pass(&several, 1500);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, 0);
	expect(1, "a", "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_setting_is_in_force_where_it_was_answered_and_then_everywhere, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_setting_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_settings_than_there_is_room_for_are_refused_and_no_entry, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_committed_is_not_in_force, set_up, tear_down),
		cmocka_unit_test_setup_teardown(at_a_start_what_the_log_has_is_in_force, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_watches_is_told_of_other_settings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_joiner_does_not_know_them_before_it_has_come_to_where_it_came_in,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_changes_at_once_are_all_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_setting_of_another_term_is_given_again, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
