#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/checksum.h"
#include "tests/log/damage.h"
#include "tests/log/parts.h"

#define PIECE 5000u /* bytes of a range, of a run of frames, of a piece of the stream */

static int differs(struct clog_error *err, const char *what, uint64_t which, uint64_t is, uint64_t must)
{
	return clog_error_set(err, -EILSEQ, "%s %" PRIu64 " is %" PRIu64 ", must be %" PRIu64, what, which, is, must);
}

/* Whether an answer is what it must be. Keeps the sentence of a wrong one. */
static int weigh(const unsigned char *parts, uint64_t i, int rc, const char *what, struct clog_error *err)
{
	enum part part = parts == NULL ? PART_WHOLE : (enum part)parts[i];
	if (rc != 0 && (rc != -EBADMSG || part == PART_WHOLE))
		return rc;
	if (rc == 0 && part == PART_DAMAGED)
		return clog_error_set(err, -EILSEQ, "%s %" PRIu64 " is damaged, and was served", what, i);
	return 0;
}

int parts_serve(struct log *log, struct log_read *read)
{
	int rc = log_read_begin(log, read);
	if (rc != 0)
		return rc;
	log_read_run(read, true);
	return log_read_end(log, read);
}

static int check_terms(const struct parts *parts, struct log *log, uint64_t first, uint64_t last,
                       struct clog_error *err)
{
	const struct model *model = parts->model;
	uint64_t newest = 0;
	bool known = true;
	if (first > 1 && log_term(log, first - 1) != model->frames[first - 2].header.term)
		return differs(err, "term of the entry before the first,", first - 1, log_term(log, first - 1),
		               model->frames[first - 2].header.term);
	for (uint64_t entry = first; entry <= last; entry++) {
		const struct log_header *header = &model->frames[entry - 1].header;
		bool whole = parts->frames == NULL || parts->frames[entry - 1] == PART_WHOLE;
		if (whole && log_term(log, entry) != header->term)
			return differs(err, "term of entry", entry, log_term(log, entry), header->term);
		if (header->type == LOG_CONFIGURATION) {
			newest = entry;
			known = whole;
		}
		/* What is below the first entry is known or not. */
		uint64_t is = log_configuration(log, entry);
		if (known && is != newest && !(newest == 0 && is < first))
			return differs(err, "configuration at entry", entry, is, newest);
	}
	return 0;
}

static int check_stat(const struct model *model, struct log *log, const struct log_stat *stat, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(log, &tail);
	if (stat->first_entry == 0 || stat->first_entry > tail.entry + 1)
		return differs(err, "first entry, of last", tail.entry, stat->first_entry, 1);
	if (stat->first_offset < model_next_offset(model, stat->first_entry - 1) ||
	    stat->first_offset > tail.next_offset)
		return differs(err, "first offset, of entry", stat->first_entry, stat->first_offset,
		               model_next_offset(model, stat->first_entry - 1));
	uint64_t begin = stat->first_offset < model->record_count ? model->records[stat->first_offset].position
	                                                          : model->stream_size;
	return stat->stream_begin == begin
	               ? 0
	               : differs(err, "stream of offset", stat->first_offset, stat->stream_begin, begin);
}

int parts_check_queries(const struct parts *parts, struct log *log, struct clog_error *err)
{
	const struct model *model = parts->model;
	struct log_tail tail, after;
	struct log_stat stat;
	log_tail(log, &tail);
	log_stat(log, &stat);
	if (tail.entry > model->frame_count)
		return differs(err, "last entry of", model->frame_count, tail.entry, model->frame_count);
	if (tail.next_offset != model_next_offset(model, tail.entry))
		return differs(err, "next offset after", tail.entry, tail.next_offset,
		               model_next_offset(model, tail.entry));
	if (tail.stream_size != model_stream_size(model, tail.entry))
		return differs(err, "stream size after", tail.entry, tail.stream_size,
		               model_stream_size(model, tail.entry));
	if (tail.entry > 0 && tail.chain != model->frames[tail.entry - 1].header.chain)
		return differs(err, "chain of", tail.entry, tail.chain, model->frames[tail.entry - 1].header.chain);
	if (tail.entry > 0 && tail.term != model->frames[tail.entry - 1].header.term)
		return differs(err, "term of", tail.entry, tail.term, model->frames[tail.entry - 1].header.term);
	for (uint64_t entry = log_durable(log); entry <= tail.entry; entry++) {
		int rc = log_after(log, entry, &after);
		if (rc != 0 || after.entry != entry || after.next_offset != model_next_offset(model, entry) ||
		    after.stream_size != model_stream_size(model, entry))
			return clog_error_set(err, -EILSEQ, "log_after(%" PRIu64 ") is wrong (%d)", entry, rc);
	}
	if (log_after(log, tail.entry + 1, &after) != -ENOENT)
		return clog_error_set(err, -EILSEQ, "log_after of an entry that is not there");
	int rc = check_stat(model, log, &stat, err);
	return rc != 0 ? rc : check_terms(parts, log, stat.first_entry, tail.entry, err);
}

static int check_records(const struct parts *parts, struct log *log, uint64_t first, uint64_t next, unsigned step,
                         struct clog_error *err)
{
	struct log_read read = {0};
	int rc = 0;
	for (uint64_t offset = first; rc == 0 && offset < next; offset += step) {
		rc = weigh(parts->records, offset,
		           model_check_record(parts->model, log, &read, offset, offset % 2, err), "record", err);
		/* The attributes of a damaged record are right, or not given. */
		int stat = model_check_stat(parts->model, log, &read, offset, offset % 2, err);
		bool whole = parts->records == NULL || parts->records[offset] == PART_WHOLE;
		/* The next one begins with no buffer. */
		if (offset % 3 == 0)
			log_read_finish(&read);
		if (rc == 0 && stat != 0 && (whole || stat != -EBADMSG))
			rc = stat;
	}
	log_read_finish(&read);
	return rc;
}

/* Pieces of the stream: what is damaged is stepped over by the record. */
static int check_stream(const struct parts *parts, struct log *log, uint64_t first, uint64_t next,
                        struct clog_error *err)
{
	const struct model *model = parts->model;
	struct log_read read = {.size = PIECE};
	uint64_t position = first < next ? model->records[first].position : 0;
	int rc = 0;
	for (uint64_t offset = first; rc == 0 && offset < next;) {
		const struct model_record *record = &model->records[offset];
		if (record->position + record->size <= position) {
			offset++;
			continue;
		}
		uint32_t size;
		int answer = model_check_stream(model, log, &read, position, position % 2, &size, err);
		rc = weigh(parts->records, offset, answer, "the stream in record", err);
		position = answer == 0 ? position + size : record->position + record->size;
	}
	log_read_finish(&read);
	return rc;
}

static int compare_record(const struct model *model, const struct log_record *is, const void *data, uint64_t offset,
                          struct clog_error *err)
{
	const struct model_record *must = &model->records[offset];
	const struct log_header *header = &model->frames[must->entry - 1].header;
	if (is->offset != offset || is->entry != must->entry || is->term != header->term ||
	    is->time_ns != header->time_ns || is->size != must->size)
		return clog_error_set(err, -EILSEQ, "record %" PRIu64 " of a range has wrong attributes", offset);
	const unsigned char *bytes = model->stream + must->position;
	if ((must->size > 0 && memcmp(data, bytes, must->size) != 0) ||
	    is->crc32c != checksum_crc32c(bytes, must->size))
		return clog_error_set(err, -EILSEQ, "record %" PRIu64 " of a range has wrong bytes", offset);
	return 0;
}

static int check_ranges(const struct parts *parts, struct log *log, uint64_t first, uint64_t next,
                        struct clog_error *err)
{
	struct log_read read = {.kind = LOG_READ_RANGE, .size = PIECE};
	int rc = 0;
	for (uint64_t offset = first; rc == 0 && offset < next;) {
		struct log_record record;
		const void *data;
		uint32_t position = 0;
		read.offset = offset;
		int answer = parts_serve(log, &read);
		if (answer != 0) {
			clog_error_set(err, answer, "range from %" PRIu64 ": %s", offset, strerror(-answer));
			rc = weigh(parts->records, offset++, answer, "the range from record", err);
			continue;
		}
		uint64_t begin = offset;
		for (; rc == 0 && log_read_next(&read, &position, &record, &data); offset++) {
			rc = compare_record(parts->model, &record, data, offset, err);
			if (rc == 0)
				rc = weigh(parts->records, offset, 0, "record of a range", err);
		}
		if (rc == 0 && (offset == begin || offset > next))
			rc = differs(err, "end of the range from", begin, offset, next);
	}
	log_read_finish(&read);
	return rc;
}

static int compare_frame(const struct model *model, const struct log_frame *frame, uint64_t entry,
                         struct clog_error *err)
{
	const struct model_frame *must = &model->frames[entry - 1];
	const struct log_header *is = log_frame_header(frame);
	if (is->entry != entry || is->chain != must->header.chain || is->size != must->header.size ||
	    is->count != must->header.count || is->stream_size != must->header.stream_size)
		return clog_error_set(err, -EILSEQ, "frame %" PRIu64 " of a run has another header", entry);
	for (uint32_t i = 0; i < is->count; i++) {
		const void *data;
		uint32_t size, must_size = must->other_size;
		const unsigned char *bytes = must_size > 0 ? model->others + must->other : NULL;
		log_frame_item(frame, i, &data, &size);
		if (is->type == LOG_RECORDS) {
			const struct model_record *record = &model->records[must->first_record + i];
			must_size = record->size;
			bytes = must_size > 0 ? model->stream + record->position : NULL;
		}
		if (size != must_size || (size > 0 && memcmp(data, bytes, size) != 0))
			return clog_error_set(err, -EILSEQ, "item %u of frame %" PRIu64 " of a run is wrong", i, entry);
	}
	return 0;
}

/* Parses what a read of frames has given; gives in *entry the one after the last. */
static int compare_run(const struct parts *parts, const struct log_read *read, uint64_t *entry, struct clog_error *err)
{
	const unsigned char *bytes = read->data;
	size_t left = read->data_size, used;
	int rc = left > 0 ? 0 : clog_error_set(err, -EILSEQ, "an empty run of frames from %" PRIu64, *entry);
	for (; rc == 0 && left > 0; (*entry)++) {
		struct log_frame *frame;
		rc = log_frame_parse(&frame, bytes, left, &used);
		if (rc != 0)
			return clog_error_set(err, -EILSEQ, "frame %" PRIu64 " of a run cannot be parsed", *entry);
		rc = compare_frame(parts->model, frame, *entry, err);
		log_frame_unref(frame);
		if (rc == 0)
			rc = weigh(parts->frames, *entry - 1, 0, "frame of a run, less one,", err);
		bytes += used;
		left -= used;
	}
	return rc;
}

static int check_frames(const struct parts *parts, struct log *log, uint64_t first, uint64_t last,
                        struct clog_error *err)
{
	struct log_read read = {.kind = LOG_READ_FRAMES, .size = PIECE};
	int rc = 0;
	for (uint64_t entry = first; rc == 0 && entry <= last; entry++)
		rc = weigh(parts->frames, entry - 1, model_check_frame(parts->model, log, entry, err),
		           "frame, less one,", err);
	for (uint64_t entry = first; rc == 0 && entry <= last;) {
		read.entry = entry;
		int answer = parts_serve(log, &read);
		if (answer != 0) {
			clog_error_set(err, answer, "frames from %" PRIu64 ": %s", entry, strerror(-answer));
			rc = weigh(parts->frames, entry++ - 1, answer, "frames from, less one,", err);
			continue;
		}
		rc = compare_run(parts, &read, &entry, err);
		if (rc == 0 && entry > last + 1)
			rc = differs(err, "end of a run of frames, of", last, entry, last + 1);
	}
	log_read_finish(&read);
	return rc;
}

int parts_check(const struct parts *parts, struct log *log, unsigned step, struct clog_error *err)
{
	struct log_stat stat;
	uint64_t durable = log_durable(log);
	log_stat(log, &stat);
	int rc = parts_check_queries(parts, log, err);
	if (rc != 0)
		return rc;
	uint64_t next = model_next_offset(parts->model, durable);
	rc = check_records(parts, log, stat.first_offset, next, step, err);
	if (rc == 0)
		rc = check_frames(parts, log, stat.first_entry, durable, err);
	if (rc == 0)
		rc = check_stream(parts, log, stat.first_offset, next, err);
	if (rc == 0)
		rc = check_ranges(parts, log, stat.first_offset, next, err);
	return rc;
}

void parts_expect(const struct model *model, struct log *log)
{
	const struct parts parts = {.model = model};
	struct clog_error err = {0};
	if (parts_check(&parts, log, 1, &err) != 0)
		fail_msg("%s", err.text);
}
