/* The messages in a stream's bytes, in whatever pieces these come. */
#include "rpc/framing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct framing *framing, const void *data, size_t size)
{
	assert_int_equal(framing_add(framing, data, size), 0);
}

static void add_message(struct framing *framing, unsigned char byte, uint32_t size)
{
	unsigned char head[FRAMING_HEAD_SIZE];
	framing_head(size, head);
	add(framing, head, sizeof head);
	for (uint32_t i = 0; i < size; i++)
		add(framing, &byte, 1);
}

static void take(struct framing *framing, unsigned char byte, uint32_t size)
{
	struct framing_message message;
	assert_int_equal(framing_next(framing, &message), 1);
	assert_false(message.compressed);
	assert_int_equal(message.size, size);
	for (uint32_t i = 0; i < size; i++)
		assert_int_equal(message.data[i], byte);
	framing_take(framing);
}

static void a_message_is_there_once_its_last_byte_is(void **state)
{
	struct framing framing = {0};
	struct framing_message message;
	const unsigned char bytes[] = {0, 0, 0, 0, 3, 'a', 'a', 'a'};
	for (size_t i = 0; i < sizeof bytes; i++) {
		assert_int_equal(framing_next(&framing, &message), 0);
		add(&framing, &bytes[i], 1);
	}
	take(&framing, 'a', 3);
	assert_true(framing_empty(&framing));
	framing_finish(&framing);
}

static void messages_come_in_their_order(void **state)
{
	struct framing framing = {0};
	for (uint32_t size = 0; size < 200; size++)
		add_message(&framing, (unsigned char)size, size);
	for (uint32_t size = 0; size < 200; size++) {
		assert_int_equal(framing_exceeds(&framing), size < 199);
		take(&framing, (unsigned char)size, size);
	}
	assert_true(framing_empty(&framing));
	framing_finish(&framing);
}

static void half_of_the_next_one_is_kept(void **state)
{
	struct framing framing = {0};
	for (int round = 0; round < 1000; round++) {
		add_message(&framing, 'b', 90);
		const unsigned char head[] = {0, 0, 0, 0, 1};
		add(&framing, head, sizeof head);
		take(&framing, 'b', 90);
		assert_false(framing_empty(&framing));
		add(&framing, "c", 1);
		take(&framing, 'c', 1);
	}
	/* What was taken makes room. */
	assert_true(framing.capacity < 1000);
	framing_finish(&framing);
}

static void the_memory_of_a_large_one_goes_with_it(void **state)
{
	struct framing framing = {0};
	unsigned char head[FRAMING_HEAD_SIZE];
	unsigned char *large = calloc(1, FRAMING_SIZE_MAX);
	framing_head(FRAMING_SIZE_MAX, head);
	add(&framing, head, sizeof head);
	add(&framing, large, FRAMING_SIZE_MAX);
	take(&framing, 0, FRAMING_SIZE_MAX);
	assert_int_equal(framing.capacity, 0);
	free(large);
	framing_finish(&framing);
}

static void too_large_a_message_is_refused_by_its_head(void **state)
{
	struct framing framing = {0};
	struct framing_message message;
	unsigned char head[FRAMING_HEAD_SIZE];
	framing_head(FRAMING_SIZE_MAX + 1, head);
	add(&framing, head, sizeof head);
	assert_int_equal(framing_next(&framing, &message), -EMSGSIZE);
	assert_int_equal(message.size, FRAMING_SIZE_MAX + 1);
	framing_finish(&framing);
	framing_head(UINT32_MAX, head);
	add(&framing, head, sizeof head);
	assert_int_equal(framing_next(&framing, &message), -EMSGSIZE);
	framing_finish(&framing);
}

static void the_flag_tells_of_compression_or_is_refused(void **state)
{
	struct framing_message message;
	for (unsigned flag = 0; flag < 256; flag++) {
		struct framing framing = {0};
		const unsigned char bytes[] = {(unsigned char)flag, 0, 0, 0, 0};
		add(&framing, bytes, sizeof bytes);
		assert_int_equal(framing_next(&framing, &message), flag <= 1 ? 1 : -EBADMSG);
		assert_int_equal(message.compressed, flag == 1);
		framing_finish(&framing);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_there_once_its_last_byte_is),
		cmocka_unit_test(messages_come_in_their_order),
		cmocka_unit_test(half_of_the_next_one_is_kept),
		cmocka_unit_test(the_memory_of_a_large_one_goes_with_it),
		cmocka_unit_test(too_large_a_message_is_refused_by_its_head),
		cmocka_unit_test(the_flag_tells_of_compression_or_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
