/* Appends: batches, order, conditions, limits. */
#include "tests/client/far.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 3000u

static int set_up(void **state)
{
	struct far_world *world = far_create(1);
	far_open_client(world, 1, 100000);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	far_destroy(*state);
	return 0;
}

static void a_record_is_appended_and_its_offset_told(void **state)
{
	struct far_world *world = *state;
	struct far_append append;
	far_add(world, "before", 6);
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, "hello"), SERVICE_PENDING);
	assert_int_equal(append.answered, 0);
	assert_int_equal(far_answered(world, &append), 0);
	assert_int_equal(append.append.first_offset, 1);
	assert_int_equal(append.append.count, 1);
	assert_int_equal(world->log.count, 2);
	assert_memory_equal(world->log.records[1].data, "hello", 5);
}

static void what_is_appended_at_once_goes_in_few_batches_and_in_order(void **state)
{
	static struct far_append appends[MANY];
	struct far_world *world = *state;
	char text[32];
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof text, "record %u", i);
		assert_int_equal(far_append(world, &appends[i], SERVICE_ANYWHERE, text), SERVICE_PENDING);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(far_answered(world, &appends[i]), 0);
		assert_int_equal(appends[i].append.first_offset, i);
		snprintf(text, sizeof text, "record %u", i);
		assert_int_equal(world->log.records[i].size, strlen(text));
		assert_memory_equal(world->log.records[i].data, text, strlen(text));
	}
	assert_int_equal(world->log.count, MANY);
	assert_in_range(world->log.appends, 1, 3);
}

/* Large ones do not fit into one message; small ones behind them do not overtake them. */
static void large_and_small_records_keep_their_order(void **state)
{
	struct far_world *world = *state;
	static struct far_append appends[60];
	const uint32_t large = 300000;
	char *text = malloc(large + 1);
	for (unsigned i = 0; i < 60; i++) {
		memset(text, 'a' + (int)(i % 26), large);
		text[i % 3 == 0 ? large : 5] = '\0';
		assert_int_equal(far_append(world, &appends[i], SERVICE_ANYWHERE, text), SERVICE_PENDING);
	}
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(far_answered(world, &appends[i]), 0);
		assert_int_equal(appends[i].append.first_offset, i);
		assert_int_equal(world->log.records[i].size, i % 3 == 0 ? large : 5);
		assert_int_equal(world->log.records[i].data[0], 'a' + (int)(i % 26));
	}
	free(text);
}

static void a_batch_of_the_callers_gets_offsets_in_a_row(void **state)
{
	struct far_world *world = *state;
	struct far_append first, append = {0};
	const uint32_t sizes[] = {3, 0, 2};
	assert_int_equal(far_append(world, &first, SERVICE_ANYWHERE, "x"), SERVICE_PENDING);
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, "y"), SERVICE_PENDING);
	service_append_cb cb = append.append.cb;
	struct far_append three = {0};
	assert_int_equal(service_append(client_service(world->client), &three.append, "abcde", sizes, 3, cb, &three),
	                 SERVICE_PENDING);
	assert_int_equal(far_answered(world, &three), 0);
	assert_int_equal(three.append.first_offset, 2);
	assert_int_equal(three.append.count, 3);
	assert_int_equal(world->log.count, 5);
	assert_int_equal(world->log.records[3].size, 0);
	assert_memory_equal(world->log.records[4].data, "de", 2);
	assert_int_equal(append.answered, 1);
}

static void the_largest_record_is_appended_and_no_larger_one(void **state)
{
	struct far_world *world = *state;
	struct far_append append;
	char *text = malloc(SERVICE_RECORD_SIZE_MAX + 2);
	memset(text, 'r', SERVICE_RECORD_SIZE_MAX + 1);
	text[SERVICE_RECORD_SIZE_MAX + 1] = '\0';
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, text), -EMSGSIZE);
	text[SERVICE_RECORD_SIZE_MAX] = '\0';
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, text), SERVICE_PENDING);
	assert_int_equal(far_answered(world, &append), 0);
	assert_int_equal(world->log.records[0].size, SERVICE_RECORD_SIZE_MAX);
	free(text);
}

static void a_batch_that_no_message_holds_is_refused(void **state)
{
	struct far_world *world = *state;
	struct far_append append = {0};
	uint32_t sizes[3] = {SERVICE_RECORD_SIZE_MAX, SERVICE_RECORD_SIZE_MAX, SERVICE_RECORD_SIZE_MAX};
	char *data = calloc(3, SERVICE_RECORD_SIZE_MAX);
	struct service *service = client_service(world->client);
	assert_int_equal(service_append(service, &append.append, data, sizes, 3, NULL, NULL), -EMSGSIZE);
	assert_int_equal(service_append(service, &append.append, data, sizes, 0, NULL, NULL), -EINVAL);
	free(data);
}

static void more_records_than_a_message_may_have_go_in_two(void **state)
{
	static struct far_append appends[18000];
	struct far_world *world = *state;
	for (unsigned i = 0; i < 18000; i++)
		assert_int_equal(far_append(world, &appends[i], SERVICE_ANYWHERE, ""), SERVICE_PENDING);
	for (unsigned i = 0; i < 18000; i++) {
		assert_int_equal(far_answered(world, &appends[i]), 0);
		assert_int_equal(appends[i].append.first_offset, i);
	}
	assert_int_equal(world->log.count, 18000);
}

static void a_conditional_append_is_appended_there_or_not_at_all(void **state)
{
	struct far_world *world = *state;
	struct far_append first, taken, ahead, next;
	assert_int_equal(far_append(world, &first, 0, "first"), SERVICE_PENDING);
	assert_int_equal(far_append(world, &taken, 0, "taken"), SERVICE_PENDING);
	assert_int_equal(far_append(world, &ahead, 5, "ahead"), SERVICE_PENDING);
	assert_int_equal(far_append(world, &next, 1, "next"), SERVICE_PENDING);
	assert_int_equal(far_answered(world, &first), 0);
	assert_int_equal(far_answered(world, &taken), -EEXIST);
	assert_int_equal(far_answered(world, &ahead), -ENXIO);
	assert_int_equal(far_answered(world, &next), 0);
	assert_int_equal(next.append.first_offset, 1);
	assert_int_equal(world->log.count, 2);
}

static void a_session_of_the_callers_is_refused(void **state)
{
	struct far_world *world = *state;
	struct far_append append = {0};
	const struct service_session session = {.id = 1, .key = 2};
	const uint32_t size = 1;
	assert_int_equal(service_append_under(client_service(world->client), &append.append, &session, 1,
	                                      SERVICE_ANYWHERE, "x", &size, 1, NULL, NULL),
	                 -EINVAL);
}

static void one_session_is_enough_and_its_numbers_are_used_once(void **state)
{
	struct far_world *world = *state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(far_append_one(world, "r"), 0);
	assert_int_equal(world->log.session_count, 1);
	const struct far_session *session = &world->log.sessions[0];
	assert_true(session->key != 0);
	assert_int_equal(session->count, 100);
	for (size_t i = 0; i < session->count; i++)
		assert_int_equal(session->results[i].sequence, i + 1);
}

static void *told;

static void on_room(void *arg)
{
	told = arg;
}

static bool is_told(void *arg)
{
	return told != NULL;
}

static void a_full_queue_says_so_and_then_that_there_is_room(void **state)
{
	struct far_world *world = *state;
	static struct far_append appends[80];
	const uint32_t size = 1000000;
	char *text = malloc(size + 1);
	unsigned count = 0;
	int rc = SERVICE_PENDING;
	memset(text, 'x', size);
	text[size] = '\0';
	told = NULL;
	while (rc == SERVICE_PENDING && count < 80) {
		rc = far_append(world, &appends[count], SERVICE_ANYWHERE, text);
		count += rc == SERVICE_PENDING;
	}
	assert_int_equal(rc, -EAGAIN);
	assert_in_range(count, 60, 67);
	service_ready(client_service(world->client), on_room, world);
	far_until(world, is_told, NULL);
	assert_ptr_equal(told, world);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(far_answered(world, &appends[i]), 0);
	assert_int_equal(world->log.count, count);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_is_appended_and_its_offset_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_appended_at_once_goes_in_few_batches_and_in_order, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(large_and_small_records_keep_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_of_the_callers_gets_offsets_in_a_row, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_largest_record_is_appended_and_no_larger_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_that_no_message_holds_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_records_than_a_message_may_have_go_in_two, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_conditional_append_is_appended_there_or_not_at_all, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_session_of_the_callers_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_session_is_enough_and_its_numbers_are_used_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_says_so_and_then_that_there_is_room, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
