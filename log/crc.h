/* CRC32C (Castagnoli), as in RFC 3720, appendix B.4. */
#ifndef CLOG_LOG_CRC_H
#define CLOG_LOG_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t size);

/* Continues a checksum: crc32c_more(crc32c(a), b) is that of a and b joined. */
uint32_t crc32c_more(uint32_t crc, const void *data, size_t size);

#endif
