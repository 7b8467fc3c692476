#include "tests/cluster/ledger.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is at the start of an append's first record, and tells which append it is. */
struct stamp {
	uint64_t number;
	uint64_t seed;
};

void ledger_init(struct ledger *ledger, uint64_t seed)
{
	*ledger = (struct ledger){0};
	dice_init(&ledger->dice, seed);
}

void ledger_finish(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->line_count; i++)
		free(ledger->lines[i]);
	free(ledger->lines);
	free(ledger->records);
}

int ledger_broken(const struct ledger *ledger)
{
	return ledger->broken.code;
}

/* Keeps the first one: what follows may be its consequence. */
static struct clog_error *broken(struct ledger *ledger, struct clog_error *spare)
{
	return ledger->broken.code == 0 ? &ledger->broken : spare;
}

#define BROKEN(ledger, ...) clog_error_set(broken((ledger), &(struct clog_error){0}), -EILSEQ, __VA_ARGS__)

static void *reserve(void *array, size_t *capacity, size_t count, size_t element)
{
	if (count <= *capacity)
		return array;
	*capacity = 2 * count + 64;
	void *grown = realloc(array, *capacity * element);
	assert(grown != NULL);
	return grown;
}

/* The bytes of an append: all records, one after the other. */
static void fill(const struct ledger_line *line, unsigned char data[static LEDGER_COUNT_MAX * LEDGER_SIZE_MAX])
{
	struct dice dice;
	struct stamp stamp = {.number = line->number, .seed = line->seed};
	size_t size = 0;
	for (uint32_t i = 0; i < line->count; i++)
		size += line->sizes[i];
	dice_init(&dice, line->seed);
	dice_fill(&dice, data, size);
	memcpy(data, &stamp, sizeof stamp);
}

static const unsigned char *bytes_of(const struct ledger_line *line, uint32_t i)
{
	static unsigned char data[LEDGER_COUNT_MAX * LEDGER_SIZE_MAX];
	size_t position = 0;
	fill(line, data);
	for (uint32_t before = 0; before < i; before++)
		position += line->sizes[before];
	return data + position;
}

/* The append's place is known: it has it for ever. Places come in their order. */
static void place(struct ledger *ledger, struct ledger_line *line, uint64_t first_offset)
{
	line->fate = LEDGER_DONE;
	line->first_offset = first_offset;
	if (first_offset < line->floor)
		BROKEN(ledger,
		       "append %" PRIu64 " got offset %" PRIu64 ", though %" PRIu64 " was answered before it was sent",
		       line->number, first_offset, line->floor - 1);
	if (first_offset != ledger->record_count) {
		BROKEN(ledger, "append %" PRIu64 " got offset %" PRIu64 ", the next one is %zu", line->number,
		       first_offset, ledger->record_count);
		return;
	}
	ledger->records = reserve(ledger->records, &ledger->record_capacity, ledger->record_count + line->count,
	                          sizeof *ledger->records);
	for (uint32_t i = 0; i < line->count; i++) {
		ledger->records[ledger->record_count++] = (struct ledger_record){
			.line = line, .i = i, .position = ledger->stream_size};
		ledger->stream_size += line->sizes[i];
	}
}

static void on_answer(struct sent *sent)
{
	struct ledger_line *line = (struct ledger_line *)sent;
	if (sent->answers != 1 || line->fate != LEDGER_PENDING)
		BROKEN(line->ledger, "append %" PRIu64 " was answered twice", line->number);
	else if (sent->append.status == 0)
		place(line->ledger, line, sent->append.first_offset);
	else if (sent->append.status == -ECONNABORTED)
		line->fate = LEDGER_UNKNOWN;
	else if (sent->append.status == -ESHUTDOWN)
		line->fate = LEDGER_REFUSED;
	else
		BROKEN(line->ledger, "append %" PRIu64 " was answered %d", line->number, sent->append.status);
}

const struct ledger_line *ledger_send(struct ledger *ledger, struct member *member, uint32_t size_max)
{
	static unsigned char data[LEDGER_COUNT_MAX * LEDGER_SIZE_MAX];
	struct ledger_line *line = calloc(1, sizeof *line);
	assert(line != NULL && size_max <= LEDGER_SIZE_MAX && size_max > sizeof(struct stamp));
	line->sent.then = on_answer;
	line->ledger = ledger;
	line->number = ledger->line_count;
	line->floor = ledger->record_count;
	line->seed = dice_next(&ledger->dice);
	line->count = 1 + (uint32_t)(dice_once_in(&ledger->dice, 3) ? dice_below(&ledger->dice, LEDGER_COUNT_MAX) : 0);
	for (uint32_t i = 0; i < line->count; i++)
		line->sizes[i] = (uint32_t)dice_below(&ledger->dice, size_max);
	if (line->sizes[0] < sizeof(struct stamp))
		line->sizes[0] = sizeof(struct stamp);
	ledger->lines = reserve(ledger->lines, &ledger->line_capacity, ledger->line_count + 1, sizeof *ledger->lines);
	ledger->lines[ledger->line_count++] = line;
	fill(line, data);
	member_send(member, &line->sent, data, line->sizes, line->count);
	if (line->sent.refused != 0)
		line->fate = LEDGER_REFUSED;
	return line;
}

void ledger_cut(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->line_count; i++)
		if (ledger->lines[i]->fate == LEDGER_PENDING)
			ledger->lines[i]->fate = LEDGER_UNKNOWN;
}

/* ---- Checking ---- */

/* Reads the record at an offset and compares it with that of a line. */
static int check_record(struct ledger *ledger, struct member *member, uint64_t offset, const struct ledger_line *line,
                        uint32_t i, int tolerated)
{
	struct asked asked;
	int rc = member_read(member, &asked, SERVICE_RECORD, offset, 0);
	bool same = rc == 0 && asked.read.data_size == line->sizes[i] && asked.read.record.offset == offset &&
	            (line->sizes[i] == 0 || memcmp(asked.read.data, bytes_of(line, i), line->sizes[i]) == 0);
	member_end(member, &asked);
	if (rc != 0 && rc != tolerated)
		return BROKEN(ledger, "the record at %" PRIu64 " cannot be read: %d", offset, rc);
	if (rc == 0 && !same)
		return BROKEN(ledger, "the record at %" PRIu64 " is not record %u of append %" PRIu64, offset, i,
		              line->number);
	return 0;
}

/* Finds out whose first record stands at the offset. NULL when it is nobody's. */
static struct ledger_line *identify(struct ledger *ledger, struct member *member, uint64_t offset)
{
	struct asked asked;
	struct stamp stamp;
	struct ledger_line *line = NULL;
	if (member_read(member, &asked, SERVICE_RECORD, offset, 0) == 0 && asked.read.data_size >= sizeof stamp) {
		memcpy(&stamp, asked.read.data, sizeof stamp);
		if (stamp.number < ledger->line_count && ledger->lines[stamp.number]->seed == stamp.seed)
			line = ledger->lines[stamp.number];
	}
	member_end(member, &asked);
	return line;
}

/* Checks the append whose first record stands at the offset. */
static int check_line(struct ledger *ledger, struct member *member, uint64_t offset, struct ledger_line **found)
{
	struct ledger_line *line = *found = identify(ledger, member, offset);
	if (line == NULL)
		return BROKEN(ledger, "nobody sent what is at %" PRIu64, offset);
	for (uint32_t i = 0; i < line->count; i++) {
		int rc = check_record(ledger, member, offset + i, line, i, 0);
		if (rc != 0)
			return rc;
	}
	if (line->found)
		return BROKEN(ledger, "append %" PRIu64 " is there twice", line->number);
	line->found = true;
	if (line->fate == LEDGER_REFUSED)
		return BROKEN(ledger, "append %" PRIu64 " is at %" PRIu64 ", and was refused or gone", line->number,
		              offset);
	if (line->fate == LEDGER_DONE && line->first_offset != offset)
		return BROKEN(ledger, "append %" PRIu64 " is at %" PRIu64 ", and was at %" PRIu64, line->number, offset,
		              line->first_offset);
	if (line->fate == LEDGER_UNKNOWN)
		place(ledger, line, offset);
	return ledger->broken.code;
}

static int check_state(struct ledger *ledger, struct member *member)
{
	struct service_state state;
	service_state(member->service, &state);
	if (state.first_offset != 0 || state.stream_begin != 0 || state.next_offset != ledger->record_count ||
	    state.stream_end != ledger->stream_size)
		return BROKEN(ledger,
		              "the state tells of %" PRIu64 " records of %" PRIu64 " bytes, there are %zu of %" PRIu64,
		              state.next_offset, state.stream_end, ledger->record_count, ledger->stream_size);
	return 0;
}

int ledger_check(struct ledger *ledger, struct member *member)
{
	struct ledger_line *line;
	uint64_t next = member_next(member);
	for (size_t i = 0; i < ledger->line_count; i++)
		ledger->lines[i]->found = false;
	for (uint64_t offset = 0; offset < next; offset += line->count) {
		int rc = check_line(ledger, member, offset, &line);
		if (rc != 0)
			return rc;
	}
	for (size_t i = 0; i < ledger->line_count; i++) {
		line = ledger->lines[i];
		assert(line->fate != LEDGER_PENDING);
		if (line->fate == LEDGER_DONE && !line->found)
			return BROKEN(ledger, "append %" PRIu64 " was acknowledged at %" PRIu64 ", and is lost",
			              line->number, line->first_offset);
		if (line->fate == LEDGER_UNKNOWN)
			line->fate = LEDGER_REFUSED;
	}
	return check_state(ledger, member);
}

/* ---- Reading ---- */

static bool same_stream(const struct ledger *ledger, uint64_t position, const unsigned char *data, size_t size)
{
	size_t low = 0, high = ledger->record_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (ledger->records[middle].position <= position)
			low = middle;
		else
			high = middle;
	}
	while (size > 0) {
		const struct ledger_record *record = &ledger->records[low++];
		uint64_t skip = position - record->position;
		if (skip >= record->line->sizes[record->i])
			continue;
		size_t left = (size_t)(record->line->sizes[record->i] - skip), count = left < size ? left : size;
		if (memcmp(data, bytes_of(record->line, record->i) + skip, count) != 0)
			return false;
		data += count;
		size -= count;
		position += count;
	}
	return true;
}

static int read_stream(struct ledger *ledger, struct member *member, int tolerated)
{
	struct asked asked;
	uint64_t end = ledger->stream_size, position = dice_below(&ledger->dice, end + 100);
	uint32_t size = 1 + (uint32_t)dice_below(&ledger->dice, 10000);
	int rc = member_read(member, &asked, SERVICE_STREAM, position, size);
	uint32_t got = rc == 0 ? asked.read.data_size : 0;
	bool right = rc != 0 || (got <= size && got <= (position < end ? end - position : 0) &&
	                         (got > 0 || position >= end) && same_stream(ledger, position, asked.read.data, got));
	member_end(member, &asked);
	if (!right || (rc != 0 && rc != tolerated))
		return BROKEN(ledger, "%u bytes of the stream at %" PRIu64 " of %" PRIu64 ": %d, %u bytes", size,
		              position, end, rc, got);
	return 0;
}

static int read_stat(struct ledger *ledger, struct member *member, uint64_t offset, int tolerated)
{
	struct asked asked;
	const struct ledger_record record = ledger->records[offset];
	int rc = member_read(member, &asked, SERVICE_STAT, offset, 0);
	bool right = rc != 0 || (asked.read.record.size == record.line->sizes[record.i] && asked.read.data_size == 0);
	member_end(member, &asked);
	if (!right || (rc != 0 && rc != tolerated))
		return BROKEN(ledger, "the attributes of the record at %" PRIu64 ": %d, %u bytes", offset, rc,
		              asked.read.record.size);
	return 0;
}

int ledger_read(struct ledger *ledger, struct member *member, int tolerated)
{
	uint64_t offset = dice_below(&ledger->dice, ledger->record_count + 2);
	unsigned kind = (unsigned)dice_below(&ledger->dice, 3);
	if (kind == 0)
		return read_stream(ledger, member, tolerated);
	if (offset >= ledger->record_count) {
		struct asked asked;
		int rc = member_ask(member, &asked, kind == 1 ? SERVICE_STAT : SERVICE_RECORD, offset, 0);
		return rc == -ENOENT ? 0 : BROKEN(ledger, "the record at %" PRIu64 ", past the end: %d", offset, rc);
	}
	if (kind == 1)
		return read_stat(ledger, member, offset, tolerated);
	const struct ledger_record record = ledger->records[offset];
	return check_record(ledger, member, offset, record.line, record.i, tolerated);
}
