#include "tests/cluster/history.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/configuration.h"

void history_init(struct history *history)
{
	machine_init(&history->machine);
	history->second = NULL;
	history->tail = (struct log_tail){0};
}

void history_finish(struct history *history)
{
	machine_finish(&history->machine);
}

static struct log_frame *closed(const struct history *history, struct log_frame *frame, enum log_type type)
{
	log_frame_close(frame, &history->tail, &(struct log_header){.term = 1, .type = type});
	return frame;
}

struct log_frame *history_frame(const struct history *history, uint32_t records, const struct log_session *rows,
                                uint32_t row_count)
{
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	for (uint32_t i = 0; i < records; i++)
		assert_int_equal(log_frame_add(frame, "r", 1), 0);
	for (uint32_t i = 0; i < row_count; i++)
		assert_int_equal(log_frame_add_session(frame, &rows[i]), 0);
	return closed(history, frame, LOG_RECORDS);
}

struct log_frame *history_item(const struct history *history, enum log_type type, const void *data, size_t size)
{
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_add(frame, data, size), 0);
	return closed(history, frame, type);
}

int history_take(struct history *history, struct log_frame *frame)
{
	const struct log_header *header = log_frame_header(frame);
	size_t before = machine_encode(&history->machine, history->bytes);
	int rc = machine_apply(&history->machine, frame);
	if (history->second != NULL)
		assert_int_equal(machine_apply(history->second, frame), rc);
	if (rc == 0) {
		history->tail.entry = header->entry;
		history->tail.term = header->term;
		history->tail.chain = header->chain;
		if (header->type == LOG_RECORDS)
			history->tail.next_offset += header->count;
		assert_int_equal(history->machine.entry, header->entry);
	} else {
		assert_int_equal(machine_encode(&history->machine, history->again), before);
		assert_memory_equal(history->again, history->bytes, before);
	}
	log_frame_unref(frame);
	return rc;
}

int history_records(struct history *history, uint32_t records, const struct log_session *rows, uint32_t row_count)
{
	return history_take(history, history_frame(history, records, rows, row_count));
}

int history_row(struct history *history, uint64_t session, uint64_t sequence, uint32_t count)
{
	const struct log_session row = {.session = session, .sequence = sequence, .count = count};
	return history_records(history, count, &row, 1);
}

int history_control(struct history *history, const struct control *control)
{
	unsigned char data[CONTROL_SIZE_MAX];
	size_t size = control_encode(control, data);
	return history_take(history, history_item(history, LOG_CONTROL, data, size));
}

int history_members(struct history *history, const struct service_member *members, size_t count)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	size_t size = configuration_encode(members, count, data);
	return history_take(history, history_item(history, LOG_CONFIGURATION, data, size));
}

int history_barrier(struct history *history)
{
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	return history_take(history, closed(history, frame, LOG_BARRIER));
}

uint64_t history_session(struct history *history)
{
	assert_int_equal(history_control(history, &(struct control){.type = CONTROL_SESSION}), 0);
	return history->machine.entry;
}

int history_setting(struct history *history, const char *key, const void *value, size_t size)
{
	const struct control control = {
		.type = CONTROL_SETTING, .key = key, .key_size = strlen(key), .value = value, .value_size = size};
	return history_control(history, &control);
}

uint64_t history_client(struct history *history, uint64_t key)
{
	const struct control control = {.type = CONTROL_SESSION, .session_key = key};
	assert_int_equal(history_control(history, &control), 0);
	return history->machine.entry;
}

enum machine_answer history_find(const struct history *history, uint64_t session, uint64_t sequence, uint32_t count)
{
	struct machine_result result = {0};
	enum machine_answer answer = machine_find(&history->machine, session, 0, sequence, count, &result);
	assert_int_equal(result.entry != 0, answer == MACHINE_KNOWN);
	return answer;
}

struct machine_result history_known(const struct history *history, uint64_t session, uint64_t sequence, uint32_t count)
{
	struct machine_result result = {0};
	assert_int_equal(machine_find(&history->machine, session, 0, sequence, count, &result), MACHINE_KNOWN);
	assert_int_equal(result.sequence, sequence);
	assert_int_equal(result.count, count);
	return result;
}

int history_decode(struct machine *machine, const unsigned char *data, size_t size)
{
	unsigned char *copy = malloc(size == 0 ? 1 : size);
	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, data, size);
	int rc = machine_decode(machine, copy, size);
	free(copy);
	return rc;
}

void history_name(struct service_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		members[i] = (struct service_member){.id = i + 1, .role = SERVICE_VOTER};
		snprintf(members[i].name, sizeof members[i].name, "%c", (char)('a' + i));
		snprintf(members[i].address, sizeof members[i].address, "host-%zu:7000", i);
	}
}
