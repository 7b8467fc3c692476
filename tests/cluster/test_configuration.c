#include "cluster/configuration.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/identity.h"
#include "tests/disk/dice.h"

static struct service_member member_of(uint64_t id, const char *name, const char *address, enum service_role role)
{
	struct service_member member = {.id = id, .role = role};
	snprintf(member.name, sizeof member.name, "%s", name);
	snprintf(member.address, sizeof member.address, "%s", address);
	return member;
}

/* Decodes a copy that ends where it says, so that one byte read past it is found. */
static int decode(const unsigned char *data, size_t size, struct service_member *members, size_t *count)
{
	unsigned char *copy = malloc(size == 0 ? 1 : size);
	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, data, size);
	int rc = configuration_decode(copy, size, members, count);
	free(copy);
	return rc;
}

static void expect_same(const struct service_member *a, const struct service_member *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(a[i].id, b[i].id);
		assert_string_equal(a[i].name, b[i].name);
		assert_string_equal(a[i].address, b[i].address);
		assert_int_equal(a[i].role, b[i].role);
	}
}

static void expect_round_trip(const struct service_member *members, size_t count)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct service_member decoded[SERVICE_MEMBERS_MAX];
	size_t decoded_count = 0, size = configuration_encode(members, count, data);
	assert_true(size <= sizeof data);
	assert_int_equal(decode(data, size, decoded, &decoded_count), 0);
	assert_int_equal(decoded_count, count);
	expect_same(decoded, members, count);
}

static void expect_refused(const struct service_member *members, size_t count)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct service_member decoded[SERVICE_MEMBERS_MAX];
	size_t decoded_count, size = configuration_encode(members, count, data);
	assert_int_equal(decode(data, size, decoded, &decoded_count), -EBADMSG);
}

/* Three members in all roles, with the longest and the shortest names and addresses. */
static void fill(struct service_member members[static 3])
{
	char name[SERVICE_NAME_SIZE], address[SERVICE_ADDRESS_SIZE];
	memset(name, 'n', sizeof name);
	memset(address, 'a', sizeof address);
	name[sizeof name - 1] = address[sizeof address - 1] = '\0';
	members[0] = member_of(((uint64_t)1 << 48) - 1, name, address, SERVICE_VOTER);
	members[1] = member_of(1, "b", "", SERVICE_STANDBY);
	members[2] = member_of(77, "c-1_2.d", "host.example:7000", SERVICE_SPARE);
}

static void what_is_encoded_is_decoded(void **state)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	fill(members);
	for (size_t count = 1; count <= 3; count++)
		expect_round_trip(members, count);
}

static void the_largest_configuration_is_as_large_as_it_says(void **state)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	unsigned char data[CONFIGURATION_SIZE_MAX];
	fill(members);
	for (size_t i = 1; i < SERVICE_MEMBERS_MAX; i++) {
		members[i] = members[0];
		members[i].id = i;
		members[i].name[0] = (char)('A' + i);
	}
	expect_round_trip(members, SERVICE_MEMBERS_MAX);
	/* But for the two ends of text, which are not encoded. */
	assert_int_equal(configuration_encode(members, SERVICE_MEMBERS_MAX, data),
	                 CONFIGURATION_SIZE_MAX - 2 * SERVICE_MEMBERS_MAX);
}

static void what_a_member_is_now_is_not_encoded(void **state)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service_member decoded[SERVICE_MEMBERS_MAX];
	unsigned char data[CONFIGURATION_SIZE_MAX];
	size_t count;
	fill(members);
	members[0].state = SERVICE_CANDIDATE;
	members[0].match = members[0].lag = 5;
	memset(decoded, 0xff, sizeof decoded);
	assert_int_equal(decode(data, configuration_encode(members, 1, data), decoded, &count), 0);
	assert_int_equal(decoded[0].state, 0);
	assert_int_equal(decoded[0].match, 0);
	assert_int_equal(decoded[0].lag, 0);
}

static void every_truncation_is_refused(void **state)
{
	struct service_member members[3], decoded[SERVICE_MEMBERS_MAX];
	unsigned char data[CONFIGURATION_SIZE_MAX + 1] = {0};
	fill(members);
	size_t count, size = configuration_encode(members, 3, data);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(decode(data, cut, decoded, &count), -EBADMSG);
	assert_int_equal(decode(data, size + 1, decoded, &count), -EBADMSG);
}

static bool possible(const struct service_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (members[i].id == 0 || members[i].id >> 48 != 0 || !identity_name_ok(members[i].name) ||
		    members[i].role > SERVICE_SPARE || strlen(members[i].address) >= SERVICE_ADDRESS_SIZE)
			return false;
		for (size_t j = 0; j < i; j++)
			if (members[j].id == members[i].id || strcmp(members[j].name, members[i].name) == 0)
				return false;
	}
	return count > 0 && count <= SERVICE_MEMBERS_MAX;
}

/* Bytes that decode at all decode to members that can be, and these encode to the very same bytes. */
static bool check_bytes(const unsigned char *data, size_t size)
{
	struct service_member decoded[SERVICE_MEMBERS_MAX];
	unsigned char again[CONFIGURATION_SIZE_MAX];
	size_t count;
	int rc = decode(data, size, decoded, &count);
	if (rc != 0) {
		assert_int_equal(rc, -EBADMSG);
		return false;
	}
	assert_true(possible(decoded, count));
	assert_int_equal(configuration_encode(decoded, count, again), size);
	assert_memory_equal(again, data, size);
	return true;
}

static void every_byte_flipped_is_refused_or_another_configuration(void **state)
{
	struct service_member members[3];
	unsigned char data[CONFIGURATION_SIZE_MAX];
	unsigned taken = 0, refused = 0;
	fill(members);
	size_t size = configuration_encode(members, 3, data);
	for (size_t i = 0; i < size; i++) {
		for (unsigned bit = 0; bit < 9; bit++) {
			unsigned char flip = bit < 8 ? (unsigned char)(1u << bit) : 0xff;
			data[i] ^= flip;
			bool ok = check_bytes(data, size);
			/* The version and the count have no other right value; an id may have. */
			assert_false(ok && i < 8);
			taken += ok;
			refused += !ok;
			data[i] ^= flip;
		}
	}
	assert_true(taken > 0 && refused > 0);
}

static void bytes_at_random_are_never_read_past(void **state)
{
	struct dice dice;
	unsigned char data[400];
	struct service_member members[3];
	unsigned char good[CONFIGURATION_SIZE_MAX];
	dice_init(&dice, dice_seed("configuration"));
	fill(members);
	members[0] = member_of(9, "short", "h:1", SERVICE_VOTER);
	size_t good_size = configuration_encode(members, 3, good);
	assert_true(good_size < sizeof data);
	for (unsigned round = 0; round < 20000; round++) {
		size_t size = (size_t)dice_below(&dice, sizeof data);
		dice_fill(&dice, data, sizeof data);
		/* A right beginning leads deeper. */
		memcpy(data, good, (size_t)dice_below(&dice, good_size));
		check_bytes(data, size);
	}
}

static void ids_that_are_none_are_refused(void **state)
{
	const uint64_t bad[] = {0, (uint64_t)1 << 48, UINT64_MAX};
	for (size_t i = 0; i < 3; i++) {
		struct service_member member = member_of(bad[i], "a", "", SERVICE_VOTER);
		expect_refused(&member, 1);
	}
}

static void names_that_are_none_are_refused(void **state)
{
	const char *const bad[] = {"", ".", ".a", "a/b", "a b", "a\n", "\xc3\xa9", "a:b"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct service_member member = member_of(5, bad[i], "", SERVICE_VOTER);
		expect_refused(&member, 1);
	}
}

static void members_that_stand_there_twice_are_refused(void **state)
{
	struct service_member members[3];
	fill(members);
	members[2].id = members[0].id;
	expect_refused(members, 3);
	fill(members);
	snprintf(members[2].name, sizeof members[2].name, "%s", members[1].name);
	expect_refused(members, 3);
	/* The same address twice, as of members that listen to none, is no mistake. */
	fill(members);
	members[2].address[0] = '\0';
	expect_round_trip(members, 3);
}

static void put_count(unsigned char *data, uint32_t count)
{
	for (unsigned i = 0; i < 4; i++)
		data[4 + i] = (unsigned char)(count >> (8 * i));
}

static void too_many_members_or_none_are_refused(void **state)
{
	enum { ROW = 17 };
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct service_member members[SERVICE_MEMBERS_MAX], decoded[SERVICE_MEMBERS_MAX];
	size_t count;
	for (size_t i = 0; i < SERVICE_MEMBERS_MAX; i++)
		members[i] = member_of(i + 1, (char[]){(char)('a' + i), '\0'}, "", SERVICE_VOTER);
	size_t size = configuration_encode(members, SERVICE_MEMBERS_MAX, data);
	assert_int_equal(size, 8 + SERVICE_MEMBERS_MAX * ROW);
	assert_int_equal(decode(data, size, decoded, &count), 0);
	/* One more, whose id and name are free. */
	memcpy(data + size, data + size - ROW, ROW);
	data[size] = SERVICE_MEMBERS_MAX + 1;
	data[size + ROW - 1] = 'z';
	put_count(data, SERVICE_MEMBERS_MAX + 1);
	assert_int_equal(decode(data, size + ROW, decoded, &count), -EBADMSG);
	put_count(data, UINT32_MAX);
	assert_int_equal(decode(data, size + ROW, decoded, &count), -EBADMSG);
	put_count(data, 0);
	assert_int_equal(decode(data, 8, decoded, &count), -EBADMSG);
}

static void another_version_is_refused(void **state)
{
	struct service_member members[3], decoded[SERVICE_MEMBERS_MAX];
	unsigned char data[CONFIGURATION_SIZE_MAX];
	size_t count;
	fill(members);
	size_t size = configuration_encode(members, 3, data);
	assert_int_equal(data[0], 1);
	data[0] = 2;
	assert_int_equal(decode(data, size, decoded, &count), -EBADMSG);
	data[0] = 0;
	assert_int_equal(decode(data, size, decoded, &count), -EBADMSG);
}

static void text_with_a_nul_in_it_is_refused(void **state)
{
	struct service_member member = member_of(5, "abc", "h:1", SERVICE_VOTER), decoded[SERVICE_MEMBERS_MAX];
	unsigned char data[CONFIGURATION_SIZE_MAX];
	size_t count, size = configuration_encode(&member, 1, data);
	for (size_t i = size - 6; i < size; i++) {
		unsigned char before = data[i];
		data[i] = '\0';
		assert_int_equal(decode(data, size, decoded, &count), -EBADMSG);
		data[i] = before;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(the_largest_configuration_is_as_large_as_it_says),
		cmocka_unit_test(what_a_member_is_now_is_not_encoded),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_byte_flipped_is_refused_or_another_configuration),
		cmocka_unit_test(bytes_at_random_are_never_read_past),
		cmocka_unit_test(ids_that_are_none_are_refused),
		cmocka_unit_test(names_that_are_none_are_refused),
		cmocka_unit_test(members_that_stand_there_twice_are_refused),
		cmocka_unit_test(too_many_members_or_none_are_refused),
		cmocka_unit_test(another_version_is_refused),
		cmocka_unit_test(text_with_a_nul_in_it_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
