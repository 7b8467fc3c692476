#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/disk/memory_state.h"

/* Where a torn sector changes from one version to the other: no multiple of any word. */
#define TEAR 203u

struct memory_file *memory_file_create(void)
{
	struct memory_file *file = memory_allocate(NULL, sizeof *file);

	memset(file, 0, sizeof *file);
	file->locked_by = -1;
	return file;
}

void memory_file_destroy(struct memory_file *file)
{
	if (file == NULL)
		return;
	free(file->data);
	free(file->durable);
	free(file->dirty);
	free(file);
}

/* Makes room for so many sectors. */
static void grow(struct memory_file *file, size_t sectors)
{
	size_t old = file->sectors, more;

	if (sectors <= old)
		return;
	sectors = sectors < 2 * old ? 2 * old : sectors;
	more = (sectors - old) * MEMORY_SECTOR_SIZE;
	file->data = memory_allocate(file->data, sectors * MEMORY_SECTOR_SIZE);
	file->durable = memory_allocate(file->durable, sectors * MEMORY_SECTOR_SIZE);
	file->dirty = memory_allocate(file->dirty, sectors * sizeof *file->dirty);
	memset(file->data + old * MEMORY_SECTOR_SIZE, 0, more);
	memset(file->durable + old * MEMORY_SECTOR_SIZE, 0, more);
	memset(file->dirty + old, 0, (sectors - old) * sizeof *file->dirty);
	file->sectors = sectors;
}

struct memory_file *memory_file_clone(const struct memory_file *file)
{
	struct memory_file *copy = memory_file_create();

	grow(copy, file->sectors);
	if (file->sectors > 0) {
		memcpy(copy->data, file->data, file->sectors * MEMORY_SECTOR_SIZE);
		memcpy(copy->durable, file->durable, file->sectors * MEMORY_SECTOR_SIZE);
		memcpy(copy->dirty, file->dirty, file->sectors * sizeof *file->dirty);
	}
	copy->size = file->size;
	copy->durable_size = file->durable_size;
	return copy;
}

void memory_file_write(struct memory_file *file, const void *data, size_t size, uint64_t position)
{
	size_t end = (size_t)position + size, sector;

	if (size == 0)
		return;
	grow(file, (end + MEMORY_SECTOR_SIZE - 1) / MEMORY_SECTOR_SIZE);
	memcpy(file->data + position, data, size);
	/* A file that grows past its end leaves zeros between, which are as little durable as what it writes. */
	sector = (position < file->size ? (size_t)position : file->size) / MEMORY_SECTOR_SIZE;
	for (; sector * MEMORY_SECTOR_SIZE < end; sector++)
		file->dirty[sector] = true;
	if (end > file->size)
		file->size = end;
}

void memory_file_sync(struct memory_file *file)
{
	size_t sector;

	for (sector = 0; sector < file->sectors; sector++) {
		if (!file->dirty[sector])
			continue;
		memcpy(file->durable + sector * MEMORY_SECTOR_SIZE, file->data + sector * MEMORY_SECTOR_SIZE,
		       MEMORY_SECTOR_SIZE);
		file->dirty[sector] = false;
	}
	file->durable_size = file->size;
}

size_t memory_file_dirty_sectors(const struct memory_file *file)
{
	size_t sector, count = 0;

	for (sector = 0; sector < file->sectors; sector++)
		count += file->dirty[sector];
	return count;
}

/* Makes durable what the fate leaves of a sector's new bytes. Returns whether the sector counts for the size. */
static bool settle_sector(struct memory_file *file, size_t sector, unsigned char fate)
{
	const unsigned char *from = file->data + sector * MEMORY_SECTOR_SIZE;
	unsigned char *to = file->durable + sector * MEMORY_SECTOR_SIZE;

	switch ((enum memory_fate)fate) {
	case MEMORY_LOST:
		return false;
	case MEMORY_KEPT:
		memcpy(to, from, MEMORY_SECTOR_SIZE);
		return true;
	case MEMORY_TORN_HEAD:
		memcpy(to, from, TEAR);
		return true;
	case MEMORY_TORN_TAIL:
		memcpy(to + TEAR, from + TEAR, MEMORY_SECTOR_SIZE - TEAR);
		return true;
	case MEMORY_ZEROED:
		return sector * MEMORY_SECTOR_SIZE >= file->durable_size;
	}
	assert(!"a fate that is none");
	return false;
}

void memory_file_crash(struct memory_file *file, const unsigned char *fates)
{
	size_t sector, end = file->durable_size, sector_end;

	for (sector = 0; sector < file->sectors; sector++) {
		if (!file->dirty[sector])
			continue;
		if (fates != NULL && settle_sector(file, sector, *fates++)) {
			sector_end = (sector + 1) * MEMORY_SECTOR_SIZE;
			sector_end = sector_end < file->size ? sector_end : file->size;
			end = sector_end > end ? sector_end : end;
		}
		file->dirty[sector] = false;
	}
	file->durable_size = file->size = end;
	if (file->sectors > 0)
		memcpy(file->data, file->durable, file->sectors * MEMORY_SECTOR_SIZE);
}
