#include "fs/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

static void an_id_gives_back_its_kind_and_number(void **state)
{
	(void)state;
	static const uint64_t numbers[] = {0, 1, 63, 64, UINT64_C(1) << 48, NODE_NUMBER_MAX};
	for (enum node_kind kind = NODE_ROOT; kind < NODE_KIND_COUNT; kind++)
		for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
			uint64_t id = node_id(kind, numbers[i]);
			assert_int_equal(node_kind(id), kind);
			assert_true(node_number(id) == numbers[i]);
		}
}

static void the_root_has_the_id_that_fuse_gives_it(void **state)
{
	(void)state;
	assert_true(node_id(NODE_ROOT, 0) == 1);
}

static void an_id_of_no_kind_is_known_as_none(void **state)
{
	(void)state;
	assert_int_equal(node_kind(0), NODE_NONE);
	assert_int_equal(node_kind(NODE_KIND_COUNT), NODE_NONE);
	assert_int_equal(node_kind(63), NODE_NONE);
}

static void nodes_of_append_and_stream_share_an_inode_number_and_records_do_not(void **state)
{
	(void)state;
	assert_true(node_ino(node_id(NODE_APPEND, 1)) == node_ino(node_id(NODE_APPEND, 2)));
	assert_true(node_ino(node_id(NODE_LINES, 1)) == node_ino(node_id(NODE_LINES, 9)));
	assert_true(node_ino(node_id(NODE_STREAM, 0)) == node_ino(node_id(NODE_STREAM, 4096)));
	assert_true(node_ino(node_id(NODE_APPEND, 1)) != node_ino(node_id(NODE_LINES, 1)));
	assert_true(node_ino(node_id(NODE_RECORD, 1)) != node_ino(node_id(NODE_RECORD, 2)));
	assert_true(node_ino(node_id(NODE_MEMBER_ID, 1)) != node_ino(node_id(NODE_MEMBER_ID, 2)));
}

static void every_kind_is_found_by_its_name_in_its_folder(void **state)
{
	(void)state;
	for (enum node_kind kind = NODE_ROOT + 1; kind < NODE_KIND_COUNT; kind++) {
		const struct node_type *type = node_type(kind);
		assert_true(S_ISDIR(node_type(type->folder)->mode));
		if (type->name != NULL)
			assert_int_equal(node_find(type->folder, type->name), kind);
	}
	assert_int_equal(node_find(NODE_ROOT, "append"), NODE_APPEND_LINK);
	assert_int_equal(node_find(NODE_LOG, "append"), NODE_APPEND);
	assert_int_equal(node_find(NODE_LOG, "follow"), NODE_FOLLOW);
	assert_int_equal(node_find(NODE_RECORDS, "0"), NODE_NONE);
}

static void what_may_be_written_is_known(void **state)
{
	(void)state;
	for (enum node_kind kind = NODE_ROOT; kind < NODE_KIND_COUNT; kind++) {
		const struct node_type *type = node_type(kind);
		bool writable = S_ISREG(type->mode) && (type->mode & 0222);
		bool produces = kind == NODE_APPEND || kind == NODE_LINES || kind == NODE_CLAIM;
		bool administers = kind == NODE_FIRST || kind == NODE_RETENTION || kind == NODE_MEMBER_ROLE ||
		                  kind == NODE_ACL;
		assert_int_equal(writable, produces || administers);
		if (writable)
			assert_int_equal(type->change, produces ? AUTH_PRODUCE : AUTH_ADMIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_gives_back_its_kind_and_number),
		cmocka_unit_test(the_root_has_the_id_that_fuse_gives_it),
		cmocka_unit_test(an_id_of_no_kind_is_known_as_none),
		cmocka_unit_test(nodes_of_append_and_stream_share_an_inode_number_and_records_do_not),
		cmocka_unit_test(every_kind_is_found_by_its_name_in_its_folder),
		cmocka_unit_test(what_may_be_written_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
