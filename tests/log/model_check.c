#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tests/log/checksum.h"
#include "tests/log/model.h"

/* Bytes of the stream that are read at a time: the largest read would be most of the time of who checks thousands of logs. */
#define STREAM_PIECE (16u << 10)

static int differs(struct clog_error *err, const char *what, uint64_t which, uint64_t is, uint64_t must)
{
	return clog_error_set(err, -EILSEQ, "%s %" PRIu64 " is %" PRIu64 ", must be %" PRIu64, what, which, is, must);
}

/* Runs a read from begin to end, without waiting first unless wait. */
static int serve(struct log *log, struct log_read *read, bool wait)
{
	int rc = log_read_begin(log, read);
	if (rc != 0)
		return rc;
	log_read_run(read, wait);
	if (read->status == -EAGAIN && !wait)
		log_read_run(read, true);
	return log_read_end(log, read);
}

static int compare_record(const struct model *model, const struct log_record *is, uint64_t offset,
                          struct clog_error *err)
{
	const struct model_record *must = &model->records[offset];
	const struct model_frame *frame = &model->frames[must->entry - 1];
	if (is->offset != offset)
		return differs(err, "offset of record", offset, is->offset, offset);
	if (is->entry != must->entry)
		return differs(err, "entry of record", offset, is->entry, must->entry);
	if (is->term != frame->header.term)
		return differs(err, "term of record", offset, is->term, frame->header.term);
	if (is->time_ns != frame->header.time_ns)
		return differs(err, "time of record", offset, is->time_ns, frame->header.time_ns);
	if (is->size != must->size)
		return differs(err, "size of record", offset, is->size, must->size);
	return 0;
}

int model_check_stat(const struct model *model, struct log *log, struct log_read *read, uint64_t offset, bool wait,
                     struct clog_error *err)
{
	read->kind = LOG_READ_STAT;
	read->offset = offset;
	int rc = serve(log, read, wait);
	if (rc != 0)
		return clog_error_set(err, rc, "stat of record %" PRIu64 ": %s", offset, strerror(-rc));
	return compare_record(model, &read->record, offset, err);
}

int model_check_record(const struct model *model, struct log *log, struct log_read *read, uint64_t offset, bool wait,
                       struct clog_error *err)
{
	const struct model_record *must = &model->records[offset];
	read->kind = LOG_READ_RECORD;
	read->offset = offset;
	int rc = serve(log, read, wait);
	if (rc != 0)
		return clog_error_set(err, rc, "record %" PRIu64 ": %s", offset, strerror(-rc));
	rc = compare_record(model, &read->record, offset, err);
	if (rc != 0)
		return rc;
	if (read->data_size != must->size)
		return differs(err, "bytes of record", offset, read->data_size, must->size);
	const unsigned char *bytes = must->size > 0 ? model->stream + must->position : NULL;
	if (must->size > 0 && memcmp(read->data, bytes, must->size) != 0)
		return clog_error_set(err, -EILSEQ, "record %" PRIu64 " has wrong bytes", offset);
	uint32_t crc = checksum_crc32c(bytes, must->size);
	return read->record.crc32c == crc ? 0 : differs(err, "crc32c of record", offset, read->record.crc32c, crc);
}

int model_check_stream(const struct model *model, struct log *log, struct log_read *read, uint64_t position, bool wait,
                       uint32_t *size, struct clog_error *err)
{
	read->kind = LOG_READ_STREAM;
	read->position = position;
	*size = 0;
	int rc = serve(log, read, wait);
	if (rc != 0)
		return clog_error_set(err, rc, "stream at %" PRIu64 ": %s", position, strerror(-rc));
	if (read->data_size == 0 || read->data_size > read->size || read->data_size > model->stream_size - position)
		return clog_error_set(err, -EILSEQ, "stream at %" PRIu64 ": %u bytes of %u asked", position,
		                      read->data_size, read->size);
	if (memcmp(read->data, model->stream + position, read->data_size) != 0)
		return clog_error_set(err, -EILSEQ, "stream at %" PRIu64 " has wrong bytes", position);
	*size = read->data_size;
	return 0;
}

static int compare_header(const struct log_header *is, const struct log_header *must, struct clog_error *err)
{
	if (is->entry != must->entry)
		return differs(err, "entry of frame", must->entry, is->entry, must->entry);
	if (is->term != must->term)
		return differs(err, "term of entry", must->entry, is->term, must->term);
	if (is->first_offset != must->first_offset)
		return differs(err, "first offset of entry", must->entry, is->first_offset, must->first_offset);
	if (is->commit != must->commit)
		return differs(err, "commit of entry", must->entry, is->commit, must->commit);
	if (is->time_ns != must->time_ns)
		return differs(err, "time of entry", must->entry, is->time_ns, must->time_ns);
	if (is->size != must->size)
		return differs(err, "size of entry", must->entry, is->size, must->size);
	if (is->count != must->count)
		return differs(err, "count of entry", must->entry, is->count, must->count);
	if (is->chain != must->chain)
		return differs(err, "chain of entry", must->entry, is->chain, must->chain);
	return is->type == must->type ? 0 : differs(err, "type of entry", must->entry, is->type, must->type);
}

static int compare_items(const struct model *model, const struct model_frame *must, const struct log_frame *frame,
                         struct clog_error *err)
{
	for (uint32_t i = 0; i < must->header.count; i++) {
		const void *data;
		uint32_t size, must_size = must->other_size;
		const unsigned char *bytes = NULL;
		log_frame_item(frame, i, &data, &size);
		if (must->header.type == LOG_RECORDS) {
			const struct model_record *record = &model->records[must->first_record + i];
			must_size = record->size;
			bytes = must_size > 0 ? model->stream + record->position : NULL;
		} else if (must_size > 0) {
			bytes = model->others + must->other;
		}
		if (size != must_size || (size > 0 && memcmp(data, bytes, size) != 0))
			return clog_error_set(err, -EILSEQ, "item %u of entry %" PRIu64 " is wrong", i,
			                      must->header.entry);
	}
	return 0;
}

int model_check_frame(const struct model *model, struct log *log, uint64_t entry, struct clog_error *err)
{
	const struct model_frame *must = &model->frames[entry - 1];
	struct log_frame *frame;
	int rc = log_read_frame(log, entry, &frame, err);
	if (rc != 0)
		return rc;
	rc = compare_header(log_frame_header(frame), &must->header, err);
	if (rc == 0 && log_frame_count(frame) != must->header.count)
		rc = differs(err, "items of entry", entry, log_frame_count(frame), must->header.count);
	if (rc == 0)
		rc = compare_items(model, must, frame, err);
	log_frame_unref(frame);
	return rc;
}

static int check_terms(const struct model *model, struct log *log, uint64_t first, uint64_t last,
                       struct clog_error *err)
{
	const struct log_term *terms;
	size_t count = log_terms(log, &terms), run = 0;
	for (uint64_t entry = first; entry <= last; entry++) {
		while (run < count && terms[run].last_entry < entry)
			run++;
		uint64_t term = run < count ? terms[run].term : 0;
		if (term != model->frames[entry - 1].header.term)
			return differs(err, "run's term of entry", entry, term, model->frames[entry - 1].header.term);
	}
	if (count > 0 && terms[count - 1].last_entry != last)
		return differs(err, "last entry of the last run, of", count, terms[count - 1].last_entry, last);
	for (run = 1; run < count; run++)
		if (terms[run - 1].term >= terms[run].term || terms[run - 1].last_entry >= terms[run].last_entry)
			return clog_error_set(err, -EILSEQ, "runs of terms %zu and %zu are not in order", run - 1, run);
	return 0;
}

static int check_configurations(const struct model *model, struct log *log, uint64_t first, uint64_t last,
                                struct clog_error *err)
{
	uint64_t newest = 0;
	for (uint64_t entry = first; entry <= last; entry++) {
		if (model->frames[entry - 1].header.type == LOG_CONFIGURATION)
			newest = entry;
		uint64_t is = log_configuration(log, entry);
		if (is != newest)
			return differs(err, "configuration at entry", entry, is, newest);
	}
	return 0;
}

int model_check_queries(const struct model *model, struct log *log, struct clog_error *err)
{
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
	if (tail.entry > 0 && tail.term != model->frames[tail.entry - 1].header.term)
		return differs(err, "term of the tail", tail.entry, tail.term,
		               model->frames[tail.entry - 1].header.term);
	if (tail.entry > 0 && tail.chain != model->frames[tail.entry - 1].header.chain)
		return differs(err, "chain of the tail", tail.entry, tail.chain,
		               model->frames[tail.entry - 1].header.chain);
	if (stat.first_entry != 1 || stat.first_offset != 0 || stat.stream_begin != 0)
		return differs(err, "first entry of", stat.segments, stat.first_entry, 1);
	for (uint64_t entry = log_durable(log); entry <= tail.entry; entry++) {
		int rc = log_after(log, entry, &after);
		if (rc != 0)
			return clog_error_set(err, rc, "log_after(%" PRIu64 "): %s", entry, strerror(-rc));
		if (after.entry != entry || after.next_offset != model_next_offset(model, entry) ||
		    after.stream_size != model_stream_size(model, entry))
			return clog_error_set(err, -EILSEQ, "log_after(%" PRIu64 ") is wrong", entry);
	}
	int rc = check_terms(model, log, 1, tail.entry, err);
	return rc != 0 ? rc : check_configurations(model, log, 1, tail.entry, err);
}

int model_check_all(const struct model *model, struct log *log, unsigned step, struct clog_error *err)
{
	struct log_read read = {0};
	struct log_tail tail;
	int rc = model_check_queries(model, log, err);
	log_tail(log, &tail);
	for (uint64_t entry = 1; rc == 0 && entry <= tail.entry; entry++)
		rc = model_check_frame(model, log, entry, err);
	uint64_t durable = log_durable(log), next = rc == 0 ? model_next_offset(model, durable) : 0;
	for (uint64_t offset = 0; rc == 0 && offset < next; offset += step) {
		rc = model_check_record(model, log, &read, offset, offset % 2 == 0, err);
		if (rc == 0)
			rc = model_check_stat(model, log, &read, offset, offset % 2 == 1, err);
	}
	uint64_t end = rc == 0 ? model_stream_size(model, durable) : 0;
	uint32_t size;
	read.size = STREAM_PIECE;
	for (uint64_t position = 0; rc == 0 && position < end; position += size)
		rc = model_check_stream(model, log, &read, position, position % 2 == 0, &size, err);
	log_read_finish(&read);
	return rc;
}
