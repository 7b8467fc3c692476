/* Little-endian numbers in files, at any alignment. */
#ifndef CLOG_LOG_BYTES_H
#define CLOG_LOG_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void put_u32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof value);
}

static inline void put_u64(unsigned char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof value);
}

static inline uint32_t take_u32(const unsigned char *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof value);
	return le32toh(value);
}

static inline uint64_t take_u64(const unsigned char *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof value);
	return le64toh(value);
}

#endif
