#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/checksum.h"
#include "tests/log/damage.h"

size_t damage_find(struct memory_disk *disk, const char *path, const void *bytes, size_t size, unsigned nth)
{
	size_t file_size;
	const unsigned char *file = memory_disk_bytes(disk, path, &file_size);
	const unsigned char *from = file;
	for (;;) {
		from = file == NULL ? NULL : memmem(from, file_size - (size_t)(from - file), bytes, size);
		if (from == NULL)
			fail_msg("%s: the bytes looked for are not there", path);
		if (nth-- == 0)
			return (size_t)(from - file);
		from++;
	}
}

void damage_flip(struct memory_disk *disk, const char *path, size_t position)
{
	size_t size;
	const unsigned char *file = memory_disk_bytes(disk, path, &size);
	unsigned char wrong = file[position] ^ 0x10;
	memory_disk_poke(disk, path, position, &wrong, 1);
}

void damage_reseal(struct memory_disk *disk, const char *path, size_t begin, size_t size, size_t position,
                   unsigned char value)
{
	size_t file_size;
	unsigned char sum[4];
	memory_disk_poke(disk, path, position, &value, 1);
	const unsigned char *file = memory_disk_bytes(disk, path, &file_size);
	uint32_t crc = checksum_crc32c(file + begin, size - sizeof sum);
	for (unsigned i = 0; i < sizeof sum; i++)
		sum[i] = (unsigned char)(crc >> (8 * i));
	memory_disk_poke(disk, path, begin + size - sizeof sum, sum, sizeof sum);
}

unsigned char *damage_copy(struct memory_disk *disk, const char *path, size_t *size)
{
	const unsigned char *file = memory_disk_bytes(disk, path, size);
	assert_non_null(file);
	unsigned char *copy = malloc(*size + 1);
	assert_non_null(copy);
	memcpy(copy, file, *size);
	return copy;
}
