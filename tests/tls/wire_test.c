#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls/wire.h"

static void bytes_come_out_as_they_went_in(void **state)
{
	struct wire_bytes bytes = {0};
	unsigned char in = 0, out = 0;
	for (size_t round = 1; round < 3000; round++) {
		for (size_t i = 0; i < round % 17; i++, in++)
			assert_int_equal(wire_add(&bytes, &in, 1), 0);
		for (size_t i = 0; i < round % 13 && bytes.begin < bytes.end; i++, out++) {
			assert_int_equal(bytes.data[bytes.begin], out);
			wire_take(&bytes, 1);
		}
	}
	free(bytes.data);
}

static void more_is_never_taken_than_there_is(void **state)
{
	struct wire_bytes bytes = {0};
	wire_take(&bytes, 5);
	assert_int_equal(wire_add(&bytes, "abc", 3), 0);
	wire_take(&bytes, SIZE_MAX);
	assert_int_equal(bytes.end - bytes.begin, 0);
	assert_int_equal(wire_add(&bytes, "de", 2), 0);
	assert_memory_equal(bytes.data + bytes.begin, "de", 2);
	free(bytes.data);
}

static void no_memory_is_kept_when_all_is_gone(void **state)
{
	struct wire_bytes bytes = {0};
	static const unsigned char data[4096];
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(wire_add(&bytes, data, sizeof data), 0);
	assert_true(bytes.capacity >= 5 * sizeof data);
	wire_take(&bytes, 5 * sizeof data - 1);
	assert_int_equal(bytes.end - bytes.begin, 1);
	wire_take(&bytes, 1);
	assert_null(bytes.data);
	assert_int_equal(bytes.capacity, 0);
	assert_int_equal(wire_add(&bytes, data, 1), 0);
	free(bytes.data);
}

static void a_bio_reads_what_came_and_writes_what_is_to_go(void **state)
{
	struct wire wire = {0};
	char data[8];
	BIO *bio = wire_bio(&wire);
	assert_non_null(bio);
	assert_true(BIO_read(bio, data, sizeof data) <= 0);
	assert_true(BIO_should_read(bio));
	assert_int_equal(wire_add(&wire.in, "abc", 3), 0);
	assert_int_equal(BIO_read(bio, data, 2), 2);
	assert_memory_equal(data, "ab", 2);
	assert_int_equal(BIO_write(bio, "xyz", 3), 3);
	assert_memory_equal(wire.out.data, "xyz", 3);
	BIO_free(bio);
	wire_finish(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_as_they_went_in),
		cmocka_unit_test(more_is_never_taken_than_there_is),
		cmocka_unit_test(no_memory_is_kept_when_all_is_gone),
		cmocka_unit_test(a_bio_reads_what_came_and_writes_what_is_to_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
