#include "rpc/status.h"

#include <errno.h>

static const struct {
	int error;
	enum status status;
	const char *sentence;
} known[] = {
	{-EMSGSIZE, STATUS_INVALID_ARGUMENT, "the record is larger than any may be: 1044480 bytes"},
	{-EINVAL, STATUS_INVALID_ARGUMENT, "the request is malformed"},
	{-EACCES, STATUS_PERMISSION_DENIED, "not permitted"},
	{-EKEYEXPIRED, STATUS_ABORTED, "the session has ended"},
	{-EBUSY, STATUS_FAILED_PRECONDITION, "another change of the members is under way, or the last voter would go"},
	{-ENOSYS, STATUS_UNIMPLEMENTED, "this member cannot do that"},
	{-EEXIST, STATUS_ALREADY_EXISTS, "another record has the expected offset"},
	{-ENXIO, STATUS_OUT_OF_RANGE, "the log does not reach to the expected offset"},
	{-ENOENT, STATUS_OUT_OF_RANGE, "the log does not reach to that offset"},
	{-ESTALE, STATUS_NOT_FOUND, "the record was trimmed"},
	{-EIO, STATUS_DATA_LOSS, "the record fails its checksum here"},
	{-EBADMSG, STATUS_DATA_LOSS, "the record fails its checksum here"},
	{-ENOSPC, STATUS_RESOURCE_EXHAUSTED, "the disks of a majority are full"},
	{-EAGAIN, STATUS_RESOURCE_EXHAUSTED, "too much is under way here"},
	{-ENOMEM, STATUS_RESOURCE_EXHAUSTED, "no memory"},
	{-EHOSTUNREACH, STATUS_UNAVAILABLE, "no leader could be reached"},
	{-ESHUTDOWN, STATUS_UNAVAILABLE, "the member is stopping"},
	{-ETIMEDOUT, STATUS_DEADLINE_EXCEEDED, "not known to be appended in time; it may yet be"},
	{-ECONNABORTED, STATUS_UNKNOWN, "the member failed; it may have been appended"},
};

enum status status_of(int error)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].error == error)
			return known[i].status;
	return error == 0 ? STATUS_OK : STATUS_INTERNAL;
}

const char *status_sentence(int error)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].error == error)
			return known[i].sentence;
	return "the service failed";
}

size_t status_encode(const char *message, char *text, size_t capacity)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t size = 0;
	for (const char *at = message; *at != '\0'; at++) {
		unsigned char byte = (unsigned char)*at;
		if (byte >= ' ' && byte <= '~' && byte != '%') {
			if (size + 2 > capacity)
				break;
			text[size++] = *at;
			continue;
		}
		/* A character of several bytes is kept whole, or not at all: the most that follow are three. */
		size_t follow = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
		if (size + 3 * (follow + 1) + 1 > capacity)
			break;
		text[size++] = '%';
		text[size++] = digits[byte >> 4];
		text[size++] = digits[byte & 15];
	}
	text[size] = '\0';
	return size;
}
