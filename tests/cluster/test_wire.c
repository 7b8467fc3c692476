/* Messages as bytes. */
#include "cluster/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PREFIX_SIZE 8u

static void encode_all(const struct message *message, unsigned char *unit, size_t *size)
{
	*size = wire_encode_message(message, unit);
	if (message->size > 0)
		memcpy(unit + *size, message->data, message->size);
	*size += message->size;
}

/* A message of each type, all numbers different. */
static struct message example(enum message_type type)
{
	struct message message = {.type = type, .term = 3, .cluster = UINT64_MAX - 4, .start = 5, .number = 1u << 20};
	switch (type) {
	case MESSAGE_VOTE:
		message.vote = (struct message_vote){11, 12, true, false};
		break;
	case MESSAGE_VOTE_RESULT:
		message.vote_result = (struct message_vote_result){false, true};
		break;
	case MESSAGE_APPEND:
		message.append = (struct message_append){UINT64_MAX, 14, 15, UINT32_MAX};
		break;
	case MESSAGE_APPEND_RESULT:
		message.append_result = (struct message_append_result){16, 17, true, false};
		break;
	case MESSAGE_INSTALL:
		message.install = (struct message_install){
			.base = {18, 19, 20, 21, 22, 23}, .first_offset = 24, .first_stream = 25};
		break;
	case MESSAGE_TIMEOUT_NOW:
		message.timeout_now = (struct message_timeout_now){26, 27};
		break;
	case MESSAGE_ECHO:
	case MESSAGE_ECHO_RESULT:
		message.round = 28;
		break;
	case MESSAGE_FORWARD:
	case MESSAGE_CONTROL:
	case MESSAGE_END:
	case MESSAGE_JOIN:
	case MESSAGE_CHANGE:
		message.request = (struct message_request){
			29, 30, 31, MESSAGE_ANYWHERE, 33, CHANGE_TRANSFER, UINT64_MAX - 1};
		break;
	case MESSAGE_RESULT:
		message.result = (struct message_result){34, -EEXIST, 36, 37, 38};
		break;
	case MESSAGE_FETCH:
	case MESSAGE_FETCH_RESULT:
		message.fetch = (struct message_fetch){39, 40, 41};
		break;
	case MESSAGE_LEADER:
	case MESSAGE_REMOVED:
		message.configuration = 42;
		break;
	case MESSAGE_ALIVE:
		message.alive = (struct message_alive){43, true};
		break;
	}
	return message;
}

#define SAME(field) assert_int_equal(a->field, b->field)

/* Field by field: what lies between them is anything. */
static void assert_raft_body_equal(const struct message *a, const struct message *b)
{
	switch (a->type) {
	case MESSAGE_VOTE:
		SAME(vote.last_entry), SAME(vote.last_term), SAME(vote.disrupt), SAME(vote.pre);
		break;
	case MESSAGE_VOTE_RESULT:
		SAME(vote_result.granted), SAME(vote_result.pre);
		break;
	case MESSAGE_APPEND:
		SAME(append.entry), SAME(append.entry_term), SAME(append.commit), SAME(append.count);
		break;
	case MESSAGE_APPEND_RESULT:
		SAME(append_result.rejected), SAME(append_result.last_entry);
		SAME(append_result.stale), SAME(append_result.full);
		break;
	case MESSAGE_INSTALL:
		SAME(install.base.entry), SAME(install.base.term), SAME(install.base.next_offset);
		SAME(install.base.stream_size), SAME(install.base.time_ns), SAME(install.base.chain);
		SAME(install.first_offset), SAME(install.first_stream);
		break;
	default:
		SAME(timeout_now.last_entry), SAME(timeout_now.last_term);
		break;
	}
}

static void assert_body_equal(const struct message *a, const struct message *b)
{
	SAME(type), SAME(term), SAME(cluster), SAME(start), SAME(number);
	switch (a->type) {
	case MESSAGE_ECHO:
	case MESSAGE_ECHO_RESULT:
		SAME(round);
		break;
	case MESSAGE_FORWARD:
	case MESSAGE_CONTROL:
	case MESSAGE_END:
	case MESSAGE_JOIN:
	case MESSAGE_CHANGE:
		SAME(request.number), SAME(request.session), SAME(request.sequence), SAME(request.expected);
		SAME(request.member), SAME(request.change), SAME(request.key);
		break;
	case MESSAGE_RESULT:
		SAME(result.number), SAME(result.status), SAME(result.value), SAME(result.entry),
			SAME(result.entry_term);
		break;
	case MESSAGE_FETCH:
	case MESSAGE_FETCH_RESULT:
		SAME(fetch.first_entry), SAME(fetch.last_entry), SAME(fetch.count);
		break;
	case MESSAGE_LEADER:
	case MESSAGE_REMOVED:
		SAME(configuration);
		break;
	case MESSAGE_ALIVE:
		SAME(alive.match), SAME(alive.candidate);
		break;
	default:
		assert_raft_body_equal(a, b);
		break;
	}
}

static void assert_hello_equal(const struct wire_hello *a, const struct wire_hello *b)
{
	SAME(version), SAME(cluster), SAME(member), SAME(wanted);
	assert_string_equal(a->cluster_name, b->cluster_name);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->address, b->address);
	assert_string_equal(a->rpc_address, b->rpc_address);
	assert_string_equal(a->refused, b->refused);
}

static void every_message_comes_out_as_it_went_in(void **state)
{
	for (int type = MESSAGE_VOTE; type <= MESSAGE_ALIVE; type++) {
		struct message out = example((enum message_type)type), in;
		unsigned char head[WIRE_HEAD_SIZE_MAX];
		size_t size = wire_encode_message(&out, head);
		assert_in_range(size, PREFIX_SIZE + 1, 256);
		assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), 0);
		assert_body_equal(&out, &in);
	}
}

static void a_header_that_is_cut_or_of_another_type_is_refused(void **state)
{
	for (int type = MESSAGE_VOTE; type <= MESSAGE_ALIVE; type++) {
		struct message message = example((enum message_type)type), in;
		unsigned char head[WIRE_HEAD_SIZE_MAX];
		size_t size = wire_encode_message(&message, head) - PREFIX_SIZE;
		/* The body comes last: without its last byte it is none. */
		assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size - 1, &in), -EBADMSG);
		head[PREFIX_SIZE + 1] = type == MESSAGE_APPEND ? MESSAGE_VOTE : MESSAGE_APPEND;
		assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size, &in), -EBADMSG);
		head[PREFIX_SIZE + 1] = MESSAGE_ALIVE + 1;
		assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size, &in), -EBADMSG);
	}
}

static void flipped_bits_break_nothing(void **state)
{
	size_t refused = 0;
	for (int type = MESSAGE_VOTE; type <= MESSAGE_ALIVE; type++) {
		struct message message = example((enum message_type)type), in;
		unsigned char head[WIRE_HEAD_SIZE_MAX];
		size_t size = wire_encode_message(&message, head) - PREFIX_SIZE;
		for (size_t bit = 0; bit < 8 * size; bit++) {
			/* Of its own memory, so that a read past the end is found. */
			unsigned char *copy = malloc(size);
			assert_non_null(copy);
			memcpy(copy, head + PREFIX_SIZE, size);
			copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
			int rc = wire_decode_message(copy, size, &in);
			assert_true(rc == 0 || rc == -EBADMSG);
			if (rc == 0)
				assert_in_range(in.type, MESSAGE_VOTE, MESSAGE_ALIVE);
			refused += rc != 0;
			free(copy);
		}
	}
	assert_true(refused > 0);
}

static void numbers_that_mean_nothing_are_refused(void **state)
{
	struct message message = example(MESSAGE_CHANGE), in;
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	message.request.change = CHANGE_TRANSFER + 1;
	size_t size = wire_encode_message(&message, head);
	assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), -EBADMSG);
	message = example(MESSAGE_RESULT);
	message.result.status = 1;
	size = wire_encode_message(&message, head);
	assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), -EBADMSG);
	message.result.status = INT32_MIN;
	size = wire_encode_message(&message, head);
	assert_int_equal(wire_decode_message(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), -EBADMSG);
}

static void many_unknown_fields_take_no_memory(void **state)
{
	unsigned char header[WIRE_HEAD_SIZE_MAX - PREFIX_SIZE];
	struct message in;
	/* Field 1000 with the value 0, over and over. */
	for (size_t i = 0; i + 3 <= sizeof header; i += 3)
		memcpy(header + i, "\xc0\x3e\x00", 3);
	assert_int_equal(wire_decode_message(header, sizeof header - sizeof header % 3, &in), -EBADMSG);
}

/* ---- Hello and welcome ---- */

static struct wire_hello hello_example(void)
{
	return (struct wire_hello){.version = WIRE_VERSION,
	                           .cluster = 7,
	                           .cluster_name = "clog",
	                           .member = 9,
	                           .name = "n1",
	                           .address = "[::1]:7400",
	                           .rpc_address = "[::1]:8400",
	                           .wanted = 10};
}

static int through(const struct wire_hello *out, struct wire_hello *in)
{
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	size_t size = wire_encode_hello(out, head);
	return wire_decode_hello(head + PREFIX_SIZE, size - PREFIX_SIZE, in);
}

static void a_hello_and_a_welcome_come_out_as_they_went_in(void **state)
{
	struct wire_hello out = hello_example(), in;
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	assert_int_equal(through(&out, &in), 0);
	assert_hello_equal(&out, &in);
	memset(out.address, 0, sizeof out.address);
	memset(out.rpc_address, 0, sizeof out.rpc_address);
	out.wanted = 0;
	size_t size = wire_encode_welcome(&out, head);
	assert_int_equal(wire_decode_welcome(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), 0);
	assert_hello_equal(&out, &in);
	memcpy(out.refused, "no", 3);
	size = wire_encode_welcome(&out, head);
	assert_int_equal(wire_decode_welcome(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), 0);
	assert_string_equal(in.refused, "no");
}

static void the_longest_texts_fit_and_longer_ones_are_refused(void **state)
{
	struct wire_hello out = hello_example(), in;
	memset(out.name, 'n', sizeof out.name - 1);
	memset(out.cluster_name, 'c', sizeof out.cluster_name - 1);
	memset(out.address, 'a', sizeof out.address - 1);
	memset(out.rpc_address, 'r', sizeof out.rpc_address - 1);
	out.cluster = out.member = (UINT64_C(1) << 48) - 1;
	assert_int_equal(through(&out, &in), 0);
	/* A name that is one byte too long is another field's as well: the address in its place. */
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	size_t size = wire_encode_hello(&out, head);
	for (size_t i = PREFIX_SIZE; i + 1 < size; i++)
		if (head[i] == 0x32)    /* the address's tag, field 6 */
			head[i] = 0x2a; /* the name's, field 5: the last one counts */
	assert_int_equal(wire_decode_hello(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), -EBADMSG);
}

static void a_hello_of_somebody_who_cannot_be_is_refused(void **state)
{
	struct wire_hello out = hello_example(), in;
	out.name[0] = '.';
	assert_int_equal(through(&out, &in), -EBADMSG);
	out = hello_example();
	out.name[1] = '\n';
	assert_int_equal(through(&out, &in), -EBADMSG);
	out = hello_example();
	out.address[1] = '\x1b';
	assert_int_equal(through(&out, &in), -EBADMSG);
	out = hello_example();
	out.rpc_address[1] = '\x7f';
	assert_int_equal(through(&out, &in), -EBADMSG);
	out = hello_example();
	out.cluster_name[0] = '\0';
	assert_int_equal(through(&out, &in), -EBADMSG);
	out = hello_example();
	out.member = 0;
	assert_int_equal(through(&out, &in), -EBADMSG);
	out.member = UINT64_C(1) << 48;
	assert_int_equal(through(&out, &in), -EBADMSG);
}

static void another_version_is_told_as_such(void **state)
{
	struct wire_hello out = hello_example(), in;
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	out.version = WIRE_VERSION + 1;
	assert_int_equal(through(&out, &in), -EPROTONOSUPPORT);
	assert_int_equal(in.version, WIRE_VERSION + 1);
	memcpy(out.refused, "too old", 8);
	size_t size = wire_encode_welcome(&out, head);
	assert_int_equal(wire_decode_welcome(head + PREFIX_SIZE, size - PREFIX_SIZE, &in), -EPROTONOSUPPORT);
	assert_string_equal(in.refused, "too old");
}

/* ---- The reader ---- */

struct taken {
	size_t count, bytes;
	int answer;
	const unsigned char *expected; /* the data of each */
	size_t expected_size;
};

static int take(void *arg, const void *header, size_t header_size, const void *data, size_t data_size)
{
	struct taken *taken = arg;
	struct message message;
	assert_int_equal(wire_decode_message(header, header_size, &message), 0);
	assert_int_equal(data_size, taken->expected_size);
	assert_memory_equal(data, taken->expected, data_size);
	taken->count++;
	taken->bytes += data_size;
	return taken->answer;
}

static void units_come_out_whatever_the_pieces(void **state)
{
	enum { UNITS = 5, DATA = 3000 };
	static unsigned char data[DATA], stream[UNITS * (DATA + 256)];
	size_t size = 0;
	for (size_t i = 0; i < DATA; i++)
		data[i] = (unsigned char)(i * 7);
	for (int i = 0; i < UNITS; i++) {
		struct message message = example(MESSAGE_APPEND);
		size_t unit;
		message.data = data;
		message.size = DATA;
		encode_all(&message, stream + size, &unit);
		size += unit;
	}
	for (size_t piece = 1; piece <= size; piece += piece < 20 ? 1 : 777) {
		struct wire_reader reader = {.data_size_max = DATA};
		struct taken taken = {.expected = data, .expected_size = DATA};
		for (size_t at = 0; at < size; at += piece)
			assert_int_equal(wire_reader_take(&reader, stream + at, size - at < piece ? size - at : piece,
			                                  take, &taken),
			                 0);
		assert_int_equal(taken.count, UNITS);
		assert_int_equal(reader.size, 0);
		wire_reader_finish(&reader);
	}
}

static int never(void *arg, const void *header, size_t header_size, const void *data, size_t data_size)
{
	fail();
	return 0;
}

static void put_sizes(unsigned char *unit, uint32_t header_size, uint32_t data_size)
{
	for (int i = 0; i < 4; i++) {
		unit[i] = (unsigned char)(header_size >> 8 * i);
		unit[4 + i] = (unsigned char)(data_size >> 8 * i);
	}
}

static void a_unit_that_says_too_much_is_refused_at_once(void **state)
{
	static const uint32_t sizes[][2] = {{10, UINT32_MAX}, {UINT32_MAX, 0},
	                                    {10, 1001},       {WIRE_HEAD_SIZE_MAX - PREFIX_SIZE + 1, 0},
	                                    {0, 0},           {0, 10}};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (size_t first = 1; first <= PREFIX_SIZE; first++) {
			struct wire_reader reader = {.data_size_max = 1000};
			unsigned char unit[PREFIX_SIZE];
			put_sizes(unit, sizes[i][0], sizes[i][1]);
			int rc = wire_reader_take(&reader, unit, first, never, NULL);
			if (rc == 0)
				rc = wire_reader_take(&reader, unit + first, PREFIX_SIZE - first, never, NULL);
			assert_int_equal(rc, -EMSGSIZE);
			wire_reader_finish(&reader);
		}
	}
}

static void memory_grows_with_what_has_come(void **state)
{
	struct wire_reader reader = {.data_size_max = MESSAGE_SIZE_MAX};
	unsigned char unit[PREFIX_SIZE + 100] = {0};
	put_sizes(unit, 50, MESSAGE_SIZE_MAX);
	assert_int_equal(wire_reader_take(&reader, unit, sizeof unit, never, NULL), 0);
	assert_in_range(reader.capacity, 1, 4 * sizeof unit);
	wire_reader_finish(&reader);
	assert_null(reader.bytes);
}

static void a_large_unit_leaves_no_memory_behind(void **state)
{
	const size_t data_size = WIRE_KEEP_SIZE + 1000;
	unsigned char *data = calloc(1, data_size), head[WIRE_HEAD_SIZE_MAX];
	assert_non_null(data);
	struct message message = example(MESSAGE_APPEND);
	struct wire_reader reader = {.data_size_max = MESSAGE_SIZE_MAX};
	struct taken taken = {.expected = data, .expected_size = data_size};
	message.size = data_size;
	size_t head_size = wire_encode_message(&message, head);
	assert_int_equal(wire_reader_take(&reader, head, head_size, take, &taken), 0);
	assert_int_equal(wire_reader_take(&reader, data, data_size, take, &taken), 0);
	assert_int_equal(taken.count, 1);
	assert_null(reader.bytes);
	free(data);
}

static void what_the_owner_answers_ends_it(void **state)
{
	unsigned char unit[WIRE_HEAD_SIZE_MAX];
	struct message message = example(MESSAGE_VOTE);
	size_t size = wire_encode_message(&message, unit);
	struct wire_reader reader = {.data_size_max = 10};
	struct taken taken = {.answer = -ECANCELED, .expected = unit};
	assert_int_equal(wire_reader_take(&reader, unit, size, take, &taken), -ECANCELED);
	assert_int_equal(wire_reader_take(&reader, unit, 1, take, &taken), 0);
	assert_int_equal(wire_reader_take(&reader, unit + 1, size - 1, take, &taken), -ECANCELED);
	assert_int_equal(taken.count, 2);
	wire_reader_finish(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_out_as_it_went_in),
		cmocka_unit_test(a_header_that_is_cut_or_of_another_type_is_refused),
		cmocka_unit_test(flipped_bits_break_nothing),
		cmocka_unit_test(numbers_that_mean_nothing_are_refused),
		cmocka_unit_test(many_unknown_fields_take_no_memory),
		cmocka_unit_test(a_hello_and_a_welcome_come_out_as_they_went_in),
		cmocka_unit_test(the_longest_texts_fit_and_longer_ones_are_refused),
		cmocka_unit_test(a_hello_of_somebody_who_cannot_be_is_refused),
		cmocka_unit_test(another_version_is_told_as_such),
		cmocka_unit_test(units_come_out_whatever_the_pieces),
		cmocka_unit_test(a_unit_that_says_too_much_is_refused_at_once),
		cmocka_unit_test(memory_grows_with_what_has_come),
		cmocka_unit_test(a_large_unit_leaves_no_memory_behind),
		cmocka_unit_test(what_the_owner_answers_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
