/* base64url: RFC 4648, section 5, without padding. */
#ifndef CLOG_AUTH_BASE64URL_H
#define CLOG_AUTH_BASE64URL_H

#include <stddef.h>
#include <sys/types.h>

/* Letters that so many bytes give. */
#define BASE64URL_SIZE(bytes) (((bytes)*4 + 2) / 3)

/* Writes BASE64URL_SIZE(size) letters, and no NUL. */
void base64url_encode(const unsigned char *bytes, size_t size, char *text);
/* Reads a text into bytes, where there is room for size of them: one for each letter is always enough. How many there are;
 * -EINVAL where a letter is none, and where another text means the same bytes. */
ssize_t base64url_decode(const char *text, size_t size, unsigned char *bytes);

#endif
