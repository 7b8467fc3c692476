/* A slot: magic, the value's size, the generation, the value, zeros, and the CRC32C of all before it in the last four
 * bytes. Generation g stands in slot g % 2. */
#include "log/log.h"

#include "error/error.h"
#include "log/bytes.h"
#include "log/crc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SLOT_MAGIC 0x4c4c4543u /* "CELL" */
#define SLOT_VALUE 16
#define SLOT_CHECKSUM (LOG_CELL_SLOT_SIZE - 4)

static_assert(SLOT_VALUE + LOG_CELL_VALUE_SIZE_MAX <= SLOT_CHECKSUM, "a value fits its slot");

static void slot_encode(unsigned char *slot, uint64_t generation, const void *value, size_t size)
{
	assert(size <= LOG_CELL_VALUE_SIZE_MAX);
	memset(slot, 0, LOG_CELL_SLOT_SIZE);
	put_u32(slot, SLOT_MAGIC);
	put_u32(slot + 4, (uint32_t)size);
	put_u64(slot + 8, generation);
	memcpy(slot + SLOT_VALUE, value, size);
	put_u32(slot + SLOT_CHECKSUM, crc32c(slot, SLOT_CHECKSUM));
}

/* The slot's generation, 0 when it is not valid. */
static uint64_t slot_generation(const unsigned char *slot, unsigned place, size_t size)
{
	uint64_t generation = take_u64(slot + 8);
	bool valid = take_u32(slot) == SLOT_MAGIC && take_u32(slot + 4) == size && generation % 2 == place &&
	             take_u32(slot + SLOT_CHECKSUM) == crc32c(slot, SLOT_CHECKSUM);
	return valid ? generation : 0;
}

static bool all_zeros(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

int log_cell_read(struct log_cell *cell, struct log_disk *disk, int handle, uint64_t position, void *value, size_t size)
{
	assert(size <= LOG_CELL_VALUE_SIZE_MAX);
	unsigned char slots[LOG_CELL_SIZE] = {0};
	ssize_t count = disk->read(disk, handle, slots, sizeof slots, position, true);
	if (count < 0)
		return (int)count;
	uint64_t even = slot_generation(slots, 0, size), odd = slot_generation(slots + LOG_CELL_SLOT_SIZE, 1, size);
	if (even == 0 && odd == 0)
		return all_zeros(slots, sizeof slots) && count == sizeof slots ? -ENODATA : -EBADMSG;
	const unsigned char *newer = even > odd ? slots : slots + LOG_CELL_SLOT_SIZE;
	memcpy(value, newer + SLOT_VALUE, size);
	cell->generation = even > odd ? even : odd;
	return 0;
}

int log_cell_write(struct log_cell *cell, struct log_disk *disk, int handle, uint64_t position, const void *value,
                   size_t size)
{
	unsigned char slot[LOG_CELL_SLOT_SIZE];
	uint64_t generation = cell->generation + 1;
	slot_encode(slot, generation, value, size);
	int rc = disk->write(disk, handle, slot, sizeof slot, position + generation % 2 * LOG_CELL_SLOT_SIZE);
	if (rc == 0)
		cell->generation = generation;
	return rc;
}

int log_cell_load(struct log_disk *disk, const char *path, struct log_cell *cell, void *value, size_t size,
                  struct clog_error *err)
{
	int handle = disk->open(disk, path, O_RDONLY);
	if (handle < 0)
		return clog_error_set(err, handle, "%s: %s", path, strerror(-handle));
	/* What a process wrote and did not live to sync is read back all the same: nothing may rely on it before it is
	 * durable. */
	int rc = disk->sync(disk, handle);
	if (rc == 0)
		rc = log_cell_read(cell, disk, handle, 0, value, size);
	disk->close(disk, handle);
	if (rc == -ENODATA || rc == -EBADMSG)
		return clog_error_set(err, -EBADMSG, "%s: corrupt: neither of its two slots is valid", path);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: %s", path, strerror(-rc));
	return 0;
}

/* Both slots get the value, one after the other is durable: a torn write hurts the slot that is being written, and what
 * rots later has a twin. */
static int write_twice(struct log_disk *disk, int handle, struct log_cell *cell, const void *value, size_t size)
{
	for (int i = 0; i < 2; i++) {
		int rc = log_cell_write(cell, disk, handle, 0, value, size);
		if (rc == 0)
			rc = disk->sync(disk, handle);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int save(struct log_disk *disk, const char *folder, const char *path, struct log_cell *cell, const void *value,
                size_t size)
{
	char fresh[PATH_MAX];
	bool create = cell->generation == 0;
	if (create && snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
		return -ENAMETOOLONG;
	int handle = disk->open(disk, create ? fresh : path, create ? O_RDWR | O_CREAT : O_RDWR);
	if (handle < 0)
		return handle;
	int rc = write_twice(disk, handle, cell, value, size);
	disk->close(disk, handle);
	if (rc == 0 && create)
		rc = disk->rename(disk, fresh, path);
	if (rc == 0 && create)
		rc = disk->sync_folder(disk, folder);
	return rc;
}

int log_cell_save(struct log_disk *disk, const char *folder, const char *path, struct log_cell *cell, const void *value,
                  size_t size, struct clog_error *err)
{
	int rc = save(disk, folder, path, cell, value, size);
	return rc == 0 ? 0 : clog_error_set(err, rc, "%s: cannot be written: %s", path, strerror(-rc));
}
