/* checksum: CRC32C bit by bit, as in RFC 3720: not the log's own code. */
#ifndef CLOG_TESTS_LOG_CHECKSUM_H
#define CLOG_TESTS_LOG_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t checksum_crc32c(const void *data, size_t size);

#endif
