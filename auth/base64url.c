#include "auth/base64url.h"

#include <errno.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const unsigned char *bytes, size_t size, char *text)
{
	unsigned bits = 0, count = 0;
	for (size_t i = 0; i < size; i++) {
		bits = (bits << 8 | bytes[i]) & 0xffff;
		for (count += 8; count >= 6; count -= 6)
			*text++ = letters[bits >> (count - 6) & 63];
	}
	if (count > 0)
		*text = letters[bits << (6 - count) & 63];
}

ssize_t base64url_decode(const char *text, size_t size, unsigned char *bytes)
{
	unsigned bits = 0, count = 0;
	ssize_t written = 0;
	if (size % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < size; i++) {
		const char *const letter = text[i] == '\0' ? NULL : strchr(letters, text[i]);
		if (letter == NULL)
			return -EINVAL;
		bits = (bits << 6 | (unsigned)(letter - letters)) & 0xffff;
		count += 6;
		if (count >= 8) {
			count -= 8;
			bytes[written++] = (unsigned char)(bits >> count);
		}
	}
	return (bits & ((1u << count) - 1)) != 0 ? -EINVAL : written;
}
