/* A cell file of any bytes: its value is that of a slot whose checksum holds, or it is corrupt.
 *
 * The input: a byte of flags (1: the checksums are made right), and the file. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error/error.h"
#include "log/log.h"
#include "tests/disk/memory.h"
#include "tests/fuzz/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char value[16] = {0}, again[16] = {0};
	struct log_cell cell = {0};
	struct clog_error err = {0};
	if (size < 1)
		return 0;
	struct memory_disk *disk = memory_disk_create();
	struct log_disk *door = memory_disk_door(disk);
	unsigned char *copy = malloc(size);
	assert(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		seal_cell(copy, size - 1);
	memory_disk_put(disk, "cell", copy, size - 1);
	free(copy);
	int rc = log_cell_load(door, "cell", &cell, value, sizeof value, &err);
	assert(rc == 0 || (rc == -EBADMSG && err.text[0] != '\0'));
	if (rc == 0 && cell.generation < UINT64_MAX - 2) {
		value[3] ^= 1;
		rc = log_cell_save(door, ".", "cell", &cell, value, sizeof value, NULL);
		assert(rc == 0);
		rc = log_cell_load(door, "cell", &cell, again, sizeof again, NULL);
		assert(rc == 0 && memcmp(value, again, sizeof value) == 0);
	}
	assert(memory_disk_handles(disk) == 0);
	memory_disk_destroy(disk);
	return 0;
}
