/* Every byte of a store and its index damaged, one at a time, and the files cut at every length: whatever is served is
 * right, and whatever is not is reported. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/script.h"

#define SEGMENT_SIZE (64u << 10)
#define FIRST_STORE "log/00000000000000000001.store"
#define FIRST_INDEX "log/00000000000000000001.index"

static uint64_t seed;
static struct memory_disk *disk;
static struct model model;
static struct dice dice;
static char last_store[64];
static uint64_t first_end; /* the last entry of the first segment */

/* What became of one kind of damage. */
struct tally {
	unsigned damages;  /* tried */
	unsigned refused;  /* log_open reported it */
	unsigned reported; /* a read did */
	unsigned harmless; /* everything was served right */
	unsigned most;     /* records and frames that one damage made unreadable */
};

/* Three full segments, sealed, and a last one that is nearly full; all durable, and marked so. */
static int set_up(void **state)
{
	struct log_tail tail;
	struct log_stat stat;
	disk = memory_disk_create();
	dice_init(&dice, seed);
	struct log *log = script_open_sized(memory_disk_door(disk), SEGMENT_SIZE);
	for (log_stat(log, &stat); stat.segments < 4; log_stat(log, &stat)) {
		first_end = stat.segments == 1 ? log_durable(log) : first_end;
		log_tail(log, &tail);
		script_append(log, &model, script_any_frame(log, &dice, 2500));
		script_sync(log);
		script_chores(log);
	}
	snprintf(last_store, sizeof last_store, "log/%020" PRIu64 ".store", tail.entry + 1);
	while (log_stat(log, &stat), stat.segments == 4 && stat.bytes < 4 * SEGMENT_SIZE - 8000) {
		script_append(log, &model, script_any_frame(log, &dice, 2500));
		script_sync(log);
	}
	script_mark(log);
	log_close(log);
	return 0;
}

static int tear_down(void **state)
{
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

static void expect_not_wrong(int rc, const struct clog_error *err)
{
	if (rc != 0 && rc != -EBADMSG && rc != -EIO)
		fail_msg("%d: %s", rc, err->text);
}

/* The first record that begins past a position of the stream. */
static uint64_t record_after(uint64_t position)
{
	uint64_t low = 0, high = model.record_count;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (model.records[middle].position <= position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Reads the stream of the records of some entries, going on after what is damaged. Returns how many records could not
 * be read so. */
static unsigned read_stream(struct log *log, struct log_read *read, uint64_t first, uint64_t last)
{
	uint64_t position = model_stream_size(&model, first - 1), end = model_stream_size(&model, last);
	struct clog_error err;
	unsigned damaged = 0;
	uint32_t size;
	while (position < end) {
		read->size = end - position < LOG_READ_SIZE_MAX ? (uint32_t)(end - position) : LOG_READ_SIZE_MAX;
		int rc = model_check_stream(&model, log, read, position, true, &size, &err);
		expect_not_wrong(rc, &err);
		position += size;
		if (rc == 0)
			continue;
		uint64_t next = record_after(position);
		position = next < model.record_count ? model.records[next].position : end;
		damaged++;
	}
	return damaged;
}

/* Reads single records and frames. Returns how many are damaged. */
static unsigned read_some(struct log *log, struct log_read *read, uint64_t first, uint64_t last, unsigned count)
{
	uint64_t offset = model_next_offset(&model, first - 1), end = model_next_offset(&model, last);
	struct clog_error err;
	unsigned damaged = 0;
	for (unsigned i = 0; i < count && offset < end; i++) {
		uint64_t one = offset + dice_below(&dice, end - offset);
		int rc = model_check_record(&model, log, read, one, true, &err);
		expect_not_wrong(rc, &err);
		damaged += rc != 0;
		rc = model_check_stat(&model, log, read, one, true, &err);
		expect_not_wrong(rc, &err);
		rc = model_check_frame(&model, log, first + dice_below(&dice, last - first + 1), &err);
		expect_not_wrong(rc, &err);
		damaged += rc != 0;
	}
	return damaged;
}

/* Opens the damaged log and looks at the entries that the damage may have met. */
static void look(struct tally *tally, uint64_t first, uint64_t last, const char *path)
{
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = SEGMENT_SIZE};
	struct clog_error err = {0};
	struct log *log;
	uint64_t hash = tally->damages++ % 16 == 0 ? memory_disk_hash(disk) : 0;
	int rc = log_open(&log, &options, &err);
	if (rc != 0) {
		if ((rc != -EBADMSG && rc != -EPROTONOSUPPORT) || strstr(err.text, path) == NULL)
			fail_msg("log_open of a log with damage in %s: %d: %s", path, rc, err.text);
		tally->refused++;
		assert_true(hash == 0 || hash == memory_disk_hash(disk));
	} else {
		struct log_read read = {0};
		struct log_tail tail;
		log_tail(log, &tail);
		if (tail.entry != model.frame_count)
			fail_msg("damage in %s was not reported: %" PRIu64 " of %zu entries", path, tail.entry,
			         model.frame_count);
		unsigned damaged = read_stream(log, &read, first, last) + read_some(log, &read, first, last, 3);
		tally->reported += damaged > 0;
		tally->most = damaged > tally->most ? damaged : tally->most;
		tally->harmless += damaged == 0;
		/* What is in other segments is not touched by it. */
		uint64_t other = first == 1 ? model.frame_count : 1;
		assert_int_equal(model_check_frame(&model, log, other, &err), 0);
		log_read_finish(&read);
		log_close(log);
	}
	assert_int_equal(memory_disk_handles(disk), 0);
}

static void flip_all(const char *path, uint64_t first, uint64_t last, struct tally *tally)
{
	size_t size;
	assert_non_null(memory_disk_bytes(disk, path, &size));
	for (size_t position = 0; position < size; position++) {
		for (unsigned bit = 0; bit < (dice_soak() ? 8u : 1u); bit++) {
			unsigned char right = memory_disk_bytes(disk, path, &size)[position];
			unsigned which = dice_soak() ? bit : (unsigned)dice_below(&dice, 8);
			unsigned char wrong = (unsigned char)(right ^ (1u << which));
			memory_disk_poke(disk, path, position, &wrong, 1);
			look(tally, first, last, path);
			memory_disk_poke(disk, path, position, &right, 1);
		}
	}
}

static void cut_all(const char *path, uint64_t first, uint64_t last, struct tally *tally)
{
	size_t size;
	const unsigned char *bytes = memory_disk_bytes(disk, path, &size);
	unsigned char *copy = malloc(size);
	assert_non_null(copy);
	memcpy(copy, bytes, size);
	for (size_t left = 0; left < size; left += dice_soak() ? 1 : 97) {
		memory_disk_put(disk, path, copy, left);
		look(tally, first, last, path);
	}
	memory_disk_put(disk, path, copy, size);
	free(copy);
}

static void tell(const char *what, const struct tally *tally)
{
	printf("flip: %s: %u, refused %u, reported %u, harmless %u\n", what, tally->damages, tally->refused,
	       tally->reported, tally->harmless);
	fflush(stdout);
}

static void every_byte_of_a_sealed_store_may_flip(void **state)
{
	struct tally tally = {0};
	flip_all(FIRST_STORE, 1, first_end, &tally);
	tell("sealed store flipped", &tally);
	assert_true(tally.reported > SEGMENT_SIZE / 2);
	/* One frame at most is lost with a bit: 64 records, and each of three that are looked at again. */
	assert_true(tally.most <= 64 + 6);
}

static void every_byte_of_the_last_store_may_flip(void **state)
{
	struct tally tally = {0};
	flip_all(last_store, model.frame_count - 2, model.frame_count, &tally);
	tell("last store flipped", &tally);
	/* The head is refused, the frames are passed over; the rest of the store is empty. */
	assert_true(tally.refused >= 512 && tally.reported > 512);
}

/* The index can be made again from the store: nothing is lost with it. */
static void every_byte_of_an_index_may_flip_and_all_is_served(void **state)
{
	struct tally tally = {0};
	flip_all(FIRST_INDEX, 1, first_end, &tally);
	tell("index flipped", &tally);
	assert_int_equal(tally.harmless, tally.damages);
}

static void a_sealed_store_may_be_cut_at_any_length(void **state)
{
	struct tally tally = {0};
	cut_all(FIRST_STORE, 1, first_end, &tally);
	tell("sealed store cut", &tally);
	assert_true(tally.reported + tally.refused > 0);
}

static void the_last_store_may_be_cut_at_any_length(void **state)
{
	struct tally tally = {0};
	cut_all(last_store, model.frame_count - 2, model.frame_count, &tally);
	tell("last store cut", &tally);
	assert_true(tally.refused > 0);
}

static void an_index_may_be_cut_at_any_length_and_all_is_served(void **state)
{
	struct tally tally = {0};
	cut_all(FIRST_INDEX, 1, first_end, &tally);
	tell("index cut", &tally);
	assert_int_equal(tally.harmless, tally.damages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_a_sealed_store_may_flip),
		cmocka_unit_test(every_byte_of_the_last_store_may_flip),
		cmocka_unit_test(every_byte_of_an_index_may_flip_and_all_is_served),
		cmocka_unit_test(a_sealed_store_may_be_cut_at_any_length),
		cmocka_unit_test(the_last_store_may_be_cut_at_any_length),
		cmocka_unit_test(an_index_may_be_cut_at_any_length_and_all_is_served),
	};
	seed = dice_seed("flip");
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
