#include "rpc/http_status.h"

#include <errno.h>
#include <stddef.h>

static const struct http_meaning statuses[] = {
	/* The last resort: first, so that it is easily found. */
	{-EIO, "EIO", 500, false, "the record fails its checksum at this member",
         "ask another member: this one gets its copy mended by the others"},
	{-EINVAL, "EINVAL", 400, false, "the request is malformed", "correct it"},
	{-EMSGSIZE, "EMSGSIZE", 413, false, "a record or a batch is too large",
         "a record has at most 1,044,480 bytes; send fewer records at once"},
	{-EKEYREJECTED, "EKEYREJECTED", 401, false, "who asks is not known",
         "show a certificate of the cluster's authority, or a token that is known"},
	{-EACCES, "EACCES", 403, false, "who asks may not do this",
         "ask as somebody who may, such as the owner of the member"},
	{-EPERM, "EPERM", 403, false, "a log does not do this", "append instead"},
	{-EEXIST, "EEXIST", 412, false, "there is a record at the expected offset already",
         "read what was appended, and decide again"},
	{-ENXIO, "ENXIO", 412, false, "the log does not reach to the expected offset", "expect a lower one"},
	{-ENOENT, "ENOENT", 404, false, "there is no record at this offset yet",
         "wait for it: /v1/tail tells of what is appended"},
	{-ESTALE, "ESTALE", 410, false, "the record at this offset was trimmed", "begin at first_offset of /v1/status"},
	{-ENOSPC, "ENOSPC", 507, false, "the disks of a majority are full",
         "trim the log or free space; reading goes on"},
	{-EAGAIN, "EAGAIN", 503, false, "too much is under way here", "ask again in a moment"},
	{-EHOSTUNREACH, "EHOSTUNREACH", 503, false, "there was no leader to take it in time",
         "ask again: nothing was appended"},
	{-ESHUTDOWN, "ESHUTDOWN", 503, false, "this member is stopping, or its disk has failed", "ask another member"},
	{-ENOMEM, "ENOMEM", 503, false, "there is no memory for it here", "ask again in a moment"},
	{-ETIMEDOUT, "ETIMEDOUT", 504, true, "it was not known to be committed in time",
         "it may yet be in the log: look before it is sent again"},
	{-ECONNABORTED, "ECONNABORTED", 503, true, "this member failed while it was under way",
         "it may be in the log: look before it is sent again"},
	{-EOPNOTSUPP, "EOPNOTSUPP", 501, false, "this is not understood here", "ask in another way"},
	{-EBUSY, "EBUSY", 409, false, "another change is under way", "ask again in a moment"},
};

const struct http_meaning *http_status_of(int code)
{
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
		if (statuses[i].code == code)
			return &statuses[i];
	return &statuses[0];
}
