#include "log/store.h"

#include "log/bytes.h"
#include "log/crc.h"
#include "log/tail.h"

#include <errno.h>

#define STORE_MAGIC 0x524f5453474f4c43u /* "CLOGSTOR" */
#define STORE_VERSION 1u
#define HEAD_SIZE 512u
#define HEAD_CHECKSUM (HEAD_SIZE - 4)
#define MARK_SIZE (TAIL_SIZE + 8u)
#define SCAN_PIECE (1u << 20)

static void encode_head(unsigned char *head, const struct log_tail *base)
{
	put_u64(head, STORE_MAGIC);
	put_u32(head + 8, STORE_VERSION);
	tail_encode(head + 16, base);
	put_u32(head + HEAD_CHECKSUM, crc32c(head, HEAD_CHECKSUM));
}

static void encode_mark(unsigned char *value, const struct store_mark *mark)
{
	tail_encode(value, &mark->tail);
	put_u64(value + TAIL_SIZE, mark->position);
}

/* A disk of one page, so that the first mark is encoded by the same code as all others. */
struct page_disk {
	struct log_disk disk;
	unsigned char *page;
};

static int page_write(struct log_disk *disk, int handle, const void *data, size_t size, uint64_t position)
{
	memcpy(((struct page_disk *)disk)->page + position, data, size);
	return 0;
}

void store_encode_page(unsigned char page[STORE_FRAMES], const struct log_tail *base, struct log_cell *cell)
{
	memset(page, 0, STORE_FRAMES);
	encode_head(page, base);
	struct page_disk disk = {.disk = {.write = page_write}, .page = page};
	struct store_mark mark = {.tail = *base, .position = STORE_FRAMES};
	cell->generation = 0;
	store_write_mark(&disk.disk, 0, cell, &mark);
	store_write_mark(&disk.disk, 0, cell, &mark);
}

int store_read_head(struct log_disk *disk, int handle, struct log_tail *base)
{
	unsigned char head[HEAD_SIZE];
	ssize_t count = disk->read(disk, handle, head, sizeof head, 0, true);
	if (count < 0)
		return (int)count;
	if (count < (ssize_t)sizeof head || take_u64(head) != STORE_MAGIC ||
	    take_u32(head + HEAD_CHECKSUM) != crc32c(head, HEAD_CHECKSUM))
		return -EBADMSG;
	if (take_u32(head + 8) != STORE_VERSION)
		return -EPROTONOSUPPORT;
	tail_decode(head + 16, base);
	return 0;
}

int store_write_head(struct log_disk *disk, int handle, const struct log_tail *base)
{
	unsigned char head[HEAD_SIZE] = {0};
	encode_head(head, base);
	return disk->write(disk, handle, head, sizeof head, 0);
}

int store_read_mark(struct log_disk *disk, int handle, struct log_cell *cell, struct store_mark *mark)
{
	unsigned char value[MARK_SIZE];
	int rc = log_cell_read(cell, disk, handle, STORE_MARK, value, sizeof value);
	if (rc != 0)
		return rc == -ENODATA ? -EBADMSG : rc;
	tail_decode(value, &mark->tail);
	mark->position = take_u64(value + TAIL_SIZE);
	/* Its checksum is right, but no frame can end there: it is not one that was written here. */
	return mark->position < STORE_FRAMES || mark->position % FRAME_ALIGN != 0 ? -EBADMSG : 0;
}

int store_write_mark(struct log_disk *disk, int handle, struct log_cell *cell, const struct store_mark *mark)
{
	unsigned char value[MARK_SIZE];
	encode_mark(value, mark);
	return log_cell_write(cell, disk, handle, STORE_MARK, value, sizeof value);
}

int store_wipe(struct log_disk *disk, int handle, uint64_t position)
{
	const unsigned char zeros[FRAME_HEADER_SIZE] = {0};
	unsigned char found[FRAME_HEADER_SIZE];
	ssize_t count = disk->read(disk, handle, found, sizeof found, position, true);
	if (count <= 0 || memcmp(found, zeros, (size_t)count) == 0)
		return count < 0 ? (int)count : 0;
	return disk->write(disk, handle, zeros, (size_t)count, position);
}

int store_scan_begin(struct store_scan *scan, struct log_disk *disk, int handle, const struct log_tail *base,
                     unsigned char **buffer, size_t *buffer_size)
{
	*scan = (struct store_scan){.window = {.disk = disk,
	                                       .handle = handle,
	                                       .wait = true,
	                                       .piece = SCAN_PIECE,
	                                       .buffer = buffer,
	                                       .buffer_size = buffer_size},
	                            .position = STORE_FRAMES,
	                            .tail = *base};
	return disk->size(disk, handle, &scan->window.limit);
}

int store_scan_header(struct store_scan *scan, struct frame_header *header, const unsigned char **bytes)
{
	int rc = window_at(&scan->window, scan->position, FRAME_HEADER_SIZE, bytes);
	if (rc != 0)
		return rc;
	rc = frame_decode_header(*bytes, header);
	if (rc == -EPROTONOSUPPORT)
		return rc;
	return rc != 0 || !frame_follows(header, &scan->tail) ? -ENODATA : 0;
}

int store_scan_next(struct store_scan *scan, struct frame_header *header, const unsigned char **bytes)
{
	int rc = store_scan_header(scan, header, bytes);
	if (rc == 0)
		rc = window_at(&scan->window, scan->position, header->shown.size, bytes);
	return rc == 0 ? frame_check_body(*bytes, header) : rc;
}

void store_scan_step(struct store_scan *scan, const struct frame_header *header)
{
	scan->position += header->shown.size;
	frame_advance(header, &scan->tail);
}
