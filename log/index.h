/* The index of a segment: where its records and frames are in the store.
 *
 * While the segment is written it is in memory only; a scan of the store makes it again. Sealing writes it to a file,
 * with a footer that tells what a start must know of the segment, so that only the last store is ever scanned. */
#ifndef CLOG_LOG_INDEX_H
#define CLOG_LOG_INDEX_H

#include "log/frame.h"

struct index_record {
	uint32_t position; /* of its item's header in the store; of a record that is lost, its frame's */
	uint32_t stream;   /* bytes of the segment's records before it */
};

struct log_index {
	struct index_record *records;
	uint32_t *frames; /* positions; entry i of the segment is frames[i] */
	uint32_t record_count, record_capacity;
	uint32_t frame_count, frame_capacity;
	uint32_t stream_size; /* bytes of all its records */
	uint32_t end;         /* position after the last frame */
};

/* What the footer of an index tells, besides the index itself. */
struct index_footer {
	struct log_tail base; /* the log's end before the segment */
	struct log_tail end;  /* and after it */
	uint32_t position;    /* in the store, after the last frame */
	struct log_term *terms;
	uint32_t term_count;
	uint64_t *configurations; /* entries */
	uint32_t configuration_count;
	void *state; /* of the log's user, at the end */
	uint32_t state_size;
};

struct log_index *index_create(uint32_t position);
void index_destroy(struct log_index *index);

/* Makes room for so many more frames and records. -ENOMEM. */
int index_reserve(struct log_index *index, uint32_t frames, uint32_t records);

/* Adds a frame that stands at index->end. -ENOMEM (nothing is added). */
int index_add(struct log_index *index, const struct frame_header *header, const unsigned char *bytes);

/* Adds a frame that stands at index->end and has a right header, but a body that is damaged: records that are whole have
 * their places, as far as these can be found for sure, the others are lost. -ENOMEM. */
int index_add_damaged(struct log_index *index, const struct frame_header *header, const unsigned char *bytes);
/* Adds entries and records that are lost, from index->end to a position. -ENOMEM. */
int index_add_lost(struct log_index *index, uint32_t frames, uint32_t records, uint32_t stream_size, uint32_t position);

/* The frame that holds a position: the last one that begins at or below it. There must be one. */
uint32_t index_frame_at(const struct log_index *index, uint32_t position);
/* The record that holds a byte of the segment's stream. There must be one. */
uint32_t index_record_at(const struct log_index *index, uint32_t stream);
/* Bytes of a record. */
uint32_t index_record_size(const struct log_index *index, uint32_t record);
/* Bytes that the index takes in memory. */
size_t index_memory(const struct log_index *index);

/* Writes index and footer to the file at path, by way of another name, and makes both durable. */
int index_save(const struct log_index *index, const struct index_footer *footer, struct log_disk *disk,
               const char *folder, const char *path);
/* Reads the footer alone; index_footer_finish frees what it holds. -ENOENT, -EBADMSG when it is not valid,
 * -EPROTONOSUPPORT for a newer version, -ENOMEM, or the disk's error. */
int index_load_footer(struct index_footer *footer, struct log_disk *disk, const char *path);
void index_footer_finish(struct index_footer *footer);
/* Reads the index itself, checked as a whole. Errors as above. */
int index_load(struct log_index **index, struct log_disk *disk, const char *path);

#endif
