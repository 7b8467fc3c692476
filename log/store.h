/* The file of a segment that holds the frames.
 *
 * Its first page is the member's own: a head that tells what the log was before the segment, and the durable mark, a
 * cell. Frames follow from STORE_FRAMES on, each at the end of the one before. What is past the last one has no
 * meaning: zeros, or what an earlier life of the file left there. */
#ifndef CLOG_LOG_STORE_H
#define CLOG_LOG_STORE_H

#include "log/frame.h"
#include "log/window.h"

#define STORE_FRAMES 4096u /* position of the first frame */
#define STORE_MARK 512u    /* position of the mark's cell */

/* What is known to be durable: the log up to an end, which is at a position of the store. */
struct store_mark {
	struct log_tail tail;
	uint64_t position;
};

/* Fills the first page: the head for a segment that follows base, and a mark that nothing is durable yet. */
void store_encode_page(unsigned char page[STORE_FRAMES], const struct log_tail *base, struct log_cell *mark);

/* Writes the head anew; the mark stays. */
int store_write_head(struct log_disk *disk, int handle, const struct log_tail *base);

/* Reads and checks the head: base. -EBADMSG, -EPROTONOSUPPORT for a newer version, or the disk's error. */
int store_read_head(struct log_disk *disk, int handle, struct log_tail *base);

/* -EBADMSG when neither slot is valid, or the newer one is of a place where no frame can end. */
int store_read_mark(struct log_disk *disk, int handle, struct log_cell *cell, struct store_mark *mark);
int store_write_mark(struct log_disk *disk, int handle, struct log_cell *cell, const struct store_mark *mark);

/* Wipes the header that may stand at a position, where the frames end: a frame that was cut there must not come back
 * when the one that is written over it is torn. Durable after the next sync. */
int store_wipe(struct log_disk *disk, int handle, uint64_t position);

/* One pass over the frames of a store. */
struct store_scan {
	struct window window;
	uint64_t position;    /* of the next frame */
	struct log_tail tail; /* what the next frame must follow */
};

/* Begins a pass over the file at handle, from its first frame on; the window's buffer is the caller's. */
int store_scan_begin(struct store_scan *scan, struct log_disk *disk, int handle, const struct log_tail *base,
                     unsigned char **buffer, size_t *buffer_size);
/* Gives the next frame: its bytes, until the next call. 0, -ENODATA when no valid header that follows stands there,
 * -EBADMSG when its header is right and something in it is not (bytes and header are given; the caller may go on),
 * -EPROTONOSUPPORT, -ENOMEM, or the disk's error. After 0 or -EBADMSG store_scan_step goes past it. */
int store_scan_next(struct store_scan *scan, struct frame_header *header, const unsigned char **bytes);
/* The same, but looks at the header alone. */
int store_scan_header(struct store_scan *scan, struct frame_header *header, const unsigned char **bytes);
void store_scan_step(struct store_scan *scan, const struct frame_header *header);

#endif
