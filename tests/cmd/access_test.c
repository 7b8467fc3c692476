/* The rules follow what the service says of its settings. */
#include "cmd/access.h"

#include "auth/auth.h"
#include "error/error.h"
#include "observe/observe.h"
#include "tests/disk/allocation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIST "p, alice, log, consume\n"

/* ---- A service that has settings and no more ---- */

static struct service service;
static struct service_state told;
static struct service_setting setting;
static size_t setting_count;

static void state_of(struct service *asked, struct service_state *state)
{
	*state = told;
}

static size_t settings_of(struct service *asked, struct service_setting *settings, size_t capacity)
{
	if (setting_count > 0 && capacity > 0)
		settings[0] = setting;
	return setting_count;
}

static const struct service_ops ops = {.state = state_of, .settings = settings_of};

/* The settings are these as of an entry: text NULL: there are none. */
static void change(uint64_t entry, const char *key, const char *text)
{
	told.settings_known = true;
	told.settings_entry = entry;
	setting_count = text != NULL;
	if (text != NULL)
		setting = (struct service_setting){key, text, strlen(text)};
	service_tell_more(&service);
}

/* ---- What was told, and what is in force ---- */

static struct access rules;
static char *said;
static size_t said_size;
static FILE *stream;

static int begin(void **state)
{
	(void)state;
	service = (struct service){.ops = &ops};
	told = (struct service_state){0};
	setting_count = 0;
	stream = open_memstream(&said, &said_size);
	observe_output(stream, OBSERVE_INFO);
	return access_init(&rules, &service, NULL, "clog", NULL);
}

static int end(void **state)
{
	(void)state;
	access_finish(&rules);
	assert_null(service.watches);
	observe_output(NULL, OBSERVE_INFO);
	fclose(stream);
	free(said);
	return 0;
}

static bool has_said(const char *text)
{
	fflush(stream);
	return strstr(said, text) != NULL;
}

static int may(const char *name, enum auth_action action)
{
	const struct auth_principal principal = {.kind = AUTH_CERTIFICATE, .name = name};
	const struct auth_policy policy = {.access = rules.rules};
	return auth_authorize(&policy, &principal, action, "log");
}

static void until_they_are_known_nobody_is_let_in(void **state)
{
	(void)state;
	assert_int_equal(may("alice", AUTH_CONSUME), -EAGAIN);
	service_tell_more(&service);
	assert_int_equal(may("alice", AUTH_CONSUME), -EAGAIN);
	change(0, NULL, NULL);
	assert_int_equal(may("alice", AUTH_ADMIN), 0);
	assert_false(has_said("event=")); /* there is nothing to tell of */
}

static void each_change_is_taken_and_told(void **state)
{
	(void)state;
	change(5, "acl", LIST);
	assert_int_equal(may("alice", AUTH_CONSUME), 0);
	assert_int_equal(may("alice", AUTH_PRODUCE), -EACCES);
	assert_true(has_said("level=info event=access_changed list=yes tokens=0 entry=5\n"));
	change(7, NULL, NULL);
	assert_int_equal(may("alice", AUTH_PRODUCE), 0);
	assert_true(has_said("event=access_changed list=no tokens=0 entry=7\n"));
}

static void what_has_not_changed_is_not_taken_again(void **state)
{
	(void)state;
	change(5, "acl", LIST);
	setting_count = 0; /* without another entry nobody looks */
	service_tell_more(&service);
	assert_int_equal(may("alice", AUTH_PRODUCE), -EACCES);
}

static void what_cannot_be_read_permits_nothing_and_is_told(void **state)
{
	(void)state;
	change(5, "acl", "p, alice\n");
	assert_int_equal(may("alice", AUTH_CONSUME), -EACCES);
	assert_true(has_said("level=error event=access_failed reason=\"acl: line 1: a rule is p, SUBJECT, "));
	assert_true(has_said("event=access_changed list=yes tokens=0 entry=5\n"));
	change(6, "token/ci", "?");
	assert_true(has_said("event=access_failed reason=\"token/ci: what is kept of the token cannot be read\""));
	assert_int_equal(may("alice", AUTH_CONSUME), 0);
}

static void a_member_that_does_not_know_any_more_lets_nobody_in(void **state)
{
	(void)state;
	change(5, "acl", LIST);
	told.settings_known = false;
	service_tell_more(&service);
	assert_int_equal(may("alice", AUTH_CONSUME), -EAGAIN);
	assert_true(has_said("level=warning event=access_unknown"));
	change(5, "acl", LIST);
	assert_int_equal(may("alice", AUTH_CONSUME), 0);
}

static void without_memory_it_is_tried_again(void **state)
{
	(void)state;
	change(5, "acl", LIST);
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		allocation_fail(nth);
		change(5 + nth, "acl", "p, bob, log, consume\n");
		fired = allocation_fired();
		allocation_fail(0);
		/* What was in force stays until then. */
		assert_int_equal(may("alice", AUTH_CONSUME), fired ? 0 : -EACCES);
		assert_int_equal(may("bob", AUTH_CONSUME), fired ? -EACCES : 0);
	}
	assert_true(has_said("event=access_failed reason=\"out of memory\""));
}

static void keys_that_cannot_be_taken_keep_it_from_starting(void **state)
{
	(void)state;
	struct access other;
	struct clog_error err = {0};
	assert_int_equal(access_init(&other, &service, "/nowhere", "clog", &err), -ENOENT);
	assert_string_equal(err.text, "/nowhere: No such file or directory");
	access_finish(&other);
	allocation_fail(1);
	assert_int_equal(access_init(&other, &service, NULL, "clog", &err), -ENOMEM);
	allocation_fail(0);
	access_finish(&other);
	access_reload(&rules); /* there are none to be taken anew */
	assert_false(has_said("event="));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(until_they_are_known_nobody_is_let_in),
		TEST(each_change_is_taken_and_told),
		TEST(what_has_not_changed_is_not_taken_again),
		TEST(what_cannot_be_read_permits_nothing_and_is_told),
		TEST(a_member_that_does_not_know_any_more_lets_nobody_in),
		TEST(without_memory_it_is_tried_again),
		TEST(keys_that_cannot_be_taken_keep_it_from_starting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
