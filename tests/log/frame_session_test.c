/* Rows of sessions in frames. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/log.h"
#include "tests/disk/memory.h"
#include "tests/log/checksum.h"
#include "tests/log/script.h"

#define HEADER_SIZE 88u
#define ROW_SIZE 24u

static struct log_frame *create(const char *const *items, uint32_t count)
{
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(log_frame_add(frame, items[i], strlen(items[i])), 0);
	return frame;
}

static void add_row(struct log_frame *frame, uint64_t session, uint64_t sequence, uint32_t count)
{
	const struct log_session row = {.session = session, .sequence = sequence, .count = count};
	assert_int_equal(log_frame_add_session(frame, &row), 0);
}

static void expect_row(const struct log_frame *frame, uint32_t i, uint64_t session, uint64_t sequence, uint32_t count)
{
	struct log_session row;
	log_frame_session(frame, i, &row);
	assert_int_equal(row.session, session);
	assert_int_equal(row.sequence, sequence);
	assert_int_equal(row.count, count);
}

static void expect_item(const struct log_frame *frame, uint32_t i, const char *text)
{
	const void *item;
	uint32_t size;
	log_frame_item(frame, i, &item, &size);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(item, text, size);
}

static void close_frame(struct log_frame *frame, enum log_type type)
{
	log_frame_close(frame, &(struct log_tail){0}, &(struct log_header){.term = 1, .type = type, .time_ns = 7});
}

static const char *const words[] = {"one", "", "three", "four"};

static void rows_come_back_before_and_after_the_frame_is_closed(void **state)
{
	struct log_frame *frame = create(words, 4);
	assert_int_equal(log_frame_sessions(frame), 0);
	add_row(frame, 0x1122334455667788, 1, 1);
	add_row(frame, 0, 0, 1);
	add_row(frame, 9, UINT64_MAX, 2);
	uint32_t size = log_frame_size(frame);
	for (int closed = 0; closed < 2; closed++) {
		assert_int_equal(log_frame_sessions(frame), 3);
		expect_row(frame, 0, 0x1122334455667788, 1, 1);
		expect_row(frame, 1, 0, 0, 1);
		expect_row(frame, 2, 9, UINT64_MAX, 2);
		if (!closed)
			close_frame(frame, LOG_RECORDS);
	}
	assert_int_equal(log_frame_header(frame)->size, size);
	for (uint32_t i = 0; i < 4; i++)
		expect_item(frame, i, words[i]);
	log_frame_unref(frame);
}

/* The bytes are those of docs/format.md. */
static void rows_stand_between_the_header_and_the_items(void **state)
{
	struct log_frame *frame = create(words, 3);
	uint64_t number;
	uint32_t half;
	size_t size;
	add_row(frame, 77, 5, 2);
	close_frame(frame, LOG_RECORDS);
	const unsigned char *bytes = log_frame_bytes(frame, &size);
	assert_int_equal(size, log_frame_header(frame)->size);
	assert_int_equal(size, (HEADER_SIZE + ROW_SIZE + 3 * 8 + 8 + 7) / 8 * 8);
	memcpy(&half, bytes + 68, 4);
	assert_int_equal(le32toh(half), 1);
	memcpy(&half, bytes + 72, 4);
	assert_int_equal(le32toh(half), checksum_crc32c(bytes + HEADER_SIZE, ROW_SIZE));
	memcpy(&number, bytes + HEADER_SIZE, 8);
	assert_int_equal(le64toh(number), 77);
	memcpy(&number, bytes + HEADER_SIZE + 8, 8);
	assert_int_equal(le64toh(number), 5);
	memcpy(&number, bytes + HEADER_SIZE + 16, 8);
	assert_int_equal(le64toh(number), 2);
	assert_memory_equal(bytes + HEADER_SIZE + ROW_SIZE + 8, "one", 3);
	log_frame_unref(frame);
}

static void a_frame_with_rows_is_parsed_again(void **state)
{
	struct log_frame *frame = create(words, 4), *again;
	size_t size, used;
	add_row(frame, 3, 4, 1);
	add_row(frame, 5, 6, 3);
	close_frame(frame, LOG_RECORDS);
	const unsigned char *bytes = log_frame_bytes(frame, &size);
	/* Cut anywhere, it is none. */
	for (size_t cut = 0; cut < size; cut++) {
		used = 1;
		assert_int_equal(log_frame_parse(&again, bytes, cut, &used), -EBADMSG);
		assert_int_equal(used, 0);
	}
	assert_int_equal(log_frame_parse(&again, bytes, size, &used), 0);
	assert_int_equal(used, size);
	assert_int_equal(log_frame_sessions(again), 2);
	expect_row(again, 0, 3, 4, 1);
	expect_row(again, 1, 5, 6, 3);
	for (uint32_t i = 0; i < 4; i++)
		expect_item(again, i, words[i]);
	size_t again_size;
	const void *again_bytes = log_frame_bytes(again, &again_size);
	assert_int_equal(again_size, size);
	assert_int_equal(log_frame_size(again), size);
	assert_memory_equal(again_bytes, bytes, size);
	log_frame_unref(frame);
	log_frame_unref(again);
}

/* Rows and items come in any order, and the items move when the rows outgrow the room in front of them. */
static void many_rows_among_many_items_keep_both(void **state)
{
	struct log_frame *frame = create(NULL, 0);
	char text[32];
	for (uint32_t i = 0; i < LOG_SESSIONS_MAX; i++) {
		snprintf(text, sizeof text, "item %u", i);
		assert_int_equal(log_frame_add(frame, text, strlen(text)), 0);
		add_row(frame, i + 1, 1000 + i, 1);
	}
	assert_int_equal(log_frame_add_session(frame, &(struct log_session){.session = 1}), -ENOBUFS);
	assert_int_equal(log_frame_sessions(frame), LOG_SESSIONS_MAX);
	close_frame(frame, LOG_RECORDS);
	size_t size, used;
	const void *bytes = log_frame_bytes(frame, &size);
	struct log_frame *again;
	assert_int_equal(log_frame_parse(&again, bytes, size, &used), 0);
	for (uint32_t i = 0; i < LOG_SESSIONS_MAX; i += i % 64 == 0 ? 1 : 63) {
		snprintf(text, sizeof text, "item %u", i);
		expect_item(again, i, text);
		expect_row(again, i, i + 1, 1000 + i, 1);
	}
	log_frame_unref(frame);
	log_frame_unref(again);
}

static void rows_count_for_the_size_of_a_frame(void **state)
{
	struct log_frame *frame = create(words, 0);
	unsigned char *data = calloc(1, LOG_RECORD_SIZE_MAX);
	assert_non_null(data);
	while (log_frame_fits(frame, LOG_RECORD_SIZE_MAX, 1))
		assert_int_equal(log_frame_add(frame, data, LOG_RECORD_SIZE_MAX), 0);
	size_t left = LOG_FRAME_SIZE_MAX - log_frame_size(frame);
	/* Room for one row and not for two, whatever the padding is. */
	assert_int_equal(log_frame_add(frame, data, left - 8 - ROW_SIZE - 8), 0);
	assert_true(log_frame_fits(frame, ROW_SIZE + 4, 0));
	uint32_t size = log_frame_size(frame);
	add_row(frame, 1, 1, 1);
	assert_int_equal(log_frame_size(frame), size + ROW_SIZE);
	assert_false(log_frame_fits(frame, ROW_SIZE, 0));
	assert_int_equal(log_frame_add_session(frame, &(struct log_session){.session = 2}), -ENOBUFS);
	assert_int_equal(log_frame_sessions(frame), 1);
	close_frame(frame, LOG_RECORDS);
	assert_true(log_frame_header(frame)->size <= LOG_FRAME_SIZE_MAX);
	log_frame_unref(frame);
	free(data);
}

static void put_u32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof value);
}

/* Makes the checksums right again over whatever was changed. */
static void reseal(unsigned char *bytes, uint32_t rows)
{
	put_u32(bytes + 72, checksum_crc32c(bytes + HEADER_SIZE, (size_t)rows * ROW_SIZE));
	put_u32(bytes + 84, checksum_crc32c(bytes, 84));
}

static void rows_that_cannot_be_are_refused(void **state)
{
	static const struct {
		size_t position;
		uint32_t value;
		int must;
		bool resealed;
	} changes[] = {
		{0, 1, -EBADMSG, false},                      /* a session, its checksum not made right */
		{0, 1, 0, true},                              /* the same, made right */
		{16, 3, -EBADMSG, true},                      /* 3 and 2 of 4 records */
		{16, 2, 0, true},                             /* all 4 */
		{ROW_SIZE + 16, 4, -EBADMSG, true},           /* 1 and 4 of 4 records */
		{ROW_SIZE + 16, UINT32_MAX, -EBADMSG, true},  /* what would wrap in 32 bits */
		{20, 1, -EBADMSG, true},                      /* what must be 0 */
		{ROW_SIZE + 20, 0x80000000u, -EBADMSG, true}, /* likewise */
	};
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct log_frame *frame = create(words, 4), *again = NULL;
		size_t size, used;
		add_row(frame, 3, 4, 1);
		add_row(frame, 5, 6, 2);
		close_frame(frame, LOG_RECORDS);
		const void *bytes = log_frame_bytes(frame, &size);
		unsigned char *copy = malloc(size);
		assert_non_null(copy);
		memcpy(copy, bytes, size);
		put_u32(copy + HEADER_SIZE + changes[i].position, changes[i].value);
		if (changes[i].resealed)
			reseal(copy, 2);
		int rc = log_frame_parse(&again, copy, size, &used);
		if (rc != changes[i].must)
			fail_msg("change %zu: %d, must be %d", i, rc, changes[i].must);
		log_frame_unref(rc == 0 ? again : NULL);
		log_frame_unref(frame);
		free(copy);
	}
}

static void rows_in_a_frame_without_records_are_refused(void **state)
{
	for (int type = LOG_CONTROL; type <= LOG_CONFIGURATION; type++) {
		struct log_frame *frame = create(words, 1), *again;
		size_t size, used;
		add_row(frame, 3, 4, 0);
		close_frame(frame, LOG_RECORDS);
		const void *bytes = log_frame_bytes(frame, &size);
		unsigned char *copy = malloc(size);
		assert_non_null(copy);
		memcpy(copy, bytes, size);
		assert_int_equal(log_frame_parse(&again, copy, size, &used), 0);
		log_frame_unref(again);
		copy[5] = (unsigned char)type;
		reseal(copy, 1);
		assert_int_equal(log_frame_parse(&again, copy, size, &used), -EBADMSG);
		log_frame_unref(frame);
		free(copy);
	}
}

static void more_rows_than_the_limit_are_refused(void **state)
{
	const uint32_t limits[] = {LOG_SESSIONS_MAX, LOG_SESSIONS_MAX + 1};
	for (size_t i = 0; i < 2; i++) {
		size_t size = HEADER_SIZE + (size_t)limits[i] * ROW_SIZE, used;
		struct log_frame *frame = create(words, 0), *again;
		size_t plain;
		close_frame(frame, LOG_RECORDS);
		unsigned char *made = calloc(1, size);
		assert_non_null(made);
		memcpy(made, log_frame_bytes(frame, &plain), HEADER_SIZE);
		put_u32(made + 56, (uint32_t)size);
		put_u32(made + 68, limits[i]);
		reseal(made, limits[i]);
		assert_int_equal(log_frame_parse(&again, made, size, &used), i == 0 ? 0 : -EBADMSG);
		log_frame_unref(i == 0 ? again : NULL);
		log_frame_unref(frame);
		free(made);
	}
}

/* Frames with rows in a log: everything in them is found again, from memory, from the store, and after a start. */
static void a_log_keeps_the_rows(void **state)
{
	struct memory_disk *memory = memory_disk_create();
	struct model model = {0};
	struct log *log = script_open(memory_disk_door(memory));
	for (uint32_t i = 0; i < 40; i++) {
		struct log_frame *frame = create(words, 4);
		struct log_tail tail;
		for (uint32_t row = 0; row < i % 4; row++)
			add_row(frame, i + 1, row, 1);
		log_tail(log, &tail);
		log_frame_close(frame, &tail, &(struct log_header){.term = 1, .type = LOG_RECORDS, .time_ns = i});
		script_append(log, &model, frame);
	}
	for (int again = 0; again < 3; again++) {
		if (again == 1)
			script_sync(log);
		script_expect(&model, log);
		for (uint32_t i = 0; i < 40; i++) {
			struct log_frame *frame;
			assert_int_equal(log_read_frame(log, i + 1, &frame, NULL), 0);
			assert_int_equal(log_frame_sessions(frame), i % 4);
			for (uint32_t row = 0; row < i % 4; row++)
				expect_row(frame, row, i + 1, row, 1);
			log_frame_unref(frame);
		}
		if (again == 1) {
			log_close(log);
			log = script_open(memory_disk_door(memory));
		}
	}
	log_close(log);
	model_finish(&model);
	memory_disk_destroy(memory);
}

static void frames_that_are_not_durable_are_found_in_memory(void **state)
{
	struct memory_disk *memory = memory_disk_create();
	struct log *log = script_open(memory_disk_door(memory));
	struct log_frame *frames[6];
	for (uint32_t i = 0; i < 6; i++) {
		struct log_tail tail;
		frames[i] = create(words, 4);
		log_tail(log, &tail);
		log_frame_close(frames[i], &tail, &(struct log_header){.term = 1, .type = LOG_RECORDS});
		script_append(log, NULL, log_frame_ref(frames[i]));
		if (i == 2)
			script_sync(log);
	}
	for (uint32_t i = 0; i < 6; i++)
		assert_ptr_equal(log_pending_frame(log, i + 1), i > 2 ? frames[i] : NULL);
	assert_null(log_pending_frame(log, 0));
	assert_null(log_pending_frame(log, 7));
	struct log_job *job;
	/* What was cut is not there any more, though its memory may be. */
	assert_int_equal(log_truncate_begin(log, 6, &job, NULL), 0);
	assert_null(job);
	assert_null(log_pending_frame(log, 6));
	script_append(log, NULL, log_frame_ref(frames[5]));
	assert_int_equal(log_write_begin(log, false, &job), 0);
	log_job_run(job);
	assert_ptr_equal(log_pending_frame(log, 6), frames[5]);
	assert_int_equal(log_job_end(log, job, NULL), 0);
	assert_null(log_pending_frame(log, 6));
	for (uint32_t i = 0; i < 6; i++)
		log_frame_unref(frames[i]);
	log_close(log);
	memory_disk_destroy(memory);
}

static void the_base_is_the_end_before_the_first_entry_kept(void **state)
{
	struct memory_disk *memory = memory_disk_create();
	struct dice dice;
	struct model model = {0};
	struct log_tail base, second;
	struct log_stat stat;
	dice_init(&dice, 5);
	struct log *log = script_open(memory_disk_door(memory));
	log_base(log, &base);
	script_expect_tail(&base, &(struct log_tail){0});
	script_fill(log, &model, &dice, 2, 3000);
	log_base(log, &base);
	script_expect_tail(&base, &(struct log_tail){0});
	assert_int_equal(script_chores(log) > 0, true);
	log_tail(log, &second);
	script_fill(log, &model, &dice, 3, 3000);
	assert_int_equal(log_trim(log, second.next_offset, NULL), 0);
	script_chores(log);
	log_base(log, &base);
	log_stat(log, &stat);
	assert_true(base.entry > 0);
	assert_int_equal(base.entry + 1, stat.first_entry);
	assert_int_equal(base.term, log_term(log, base.entry));
	assert_int_equal(base.next_offset, model_next_offset(&model, base.entry));
	assert_int_equal(base.chain, model.frames[base.entry - 1].header.chain);
	log_close(log);
	model_finish(&model);
	memory_disk_destroy(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_back_before_and_after_the_frame_is_closed),
		cmocka_unit_test(rows_stand_between_the_header_and_the_items),
		cmocka_unit_test(a_frame_with_rows_is_parsed_again),
		cmocka_unit_test(many_rows_among_many_items_keep_both),
		cmocka_unit_test(rows_count_for_the_size_of_a_frame),
		cmocka_unit_test(rows_that_cannot_be_are_refused),
		cmocka_unit_test(rows_in_a_frame_without_records_are_refused),
		cmocka_unit_test(more_rows_than_the_limit_are_refused),
		cmocka_unit_test(a_log_keeps_the_rows),
		cmocka_unit_test(frames_that_are_not_durable_are_found_in_memory),
		cmocka_unit_test(the_base_is_the_end_before_the_first_entry_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
