#include "client/outcome.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	int error;
} errors[] = {
	{"EPERM", -EPERM},
	{"ENOENT", -ENOENT},
	{"EIO", -EIO},
	{"ENXIO", -ENXIO},
	{"EAGAIN", -EAGAIN},
	{"ENOMEM", -ENOMEM},
	{"EACCES", -EACCES},
	{"EBUSY", -EBUSY},
	{"EEXIST", -EEXIST},
	{"EINVAL", -EINVAL},
	{"ENOSPC", -ENOSPC},
	{"EBADMSG", -EBADMSG},
	{"EMSGSIZE", -EMSGSIZE},
	{"ECONNABORTED", -ECONNABORTED},
	{"ESHUTDOWN", -ESHUTDOWN},
	{"ETIMEDOUT", -ETIMEDOUT},
	{"EHOSTUNREACH", -EHOSTUNREACH},
	{"ESTALE", -ESTALE},
	{"EKEYEXPIRED", -EKEYEXPIRED},
};

/* gRPC's codes, where there is no errno. */
static const int codes[] = {
	0,             /* OK */
	-ECONNABORTED, /* CANCELLED */
	-ECONNABORTED, /* UNKNOWN */
	-EINVAL,       /* INVALID_ARGUMENT */
	-ETIMEDOUT,    /* DEADLINE_EXCEEDED */
	-ESTALE,       /* NOT_FOUND */
	-EEXIST,       /* ALREADY_EXISTS */
	-EACCES,       /* PERMISSION_DENIED */
	-EAGAIN,       /* RESOURCE_EXHAUSTED */
	-EINVAL,       /* FAILED_PRECONDITION */
	-EKEYEXPIRED,  /* ABORTED */
	-ENXIO,        /* OUT_OF_RANGE */
	-EPROTO,       /* UNIMPLEMENTED */
	-EPROTO,       /* INTERNAL */
	-EHOSTUNREACH, /* UNAVAILABLE */
	-EIO,          /* DATA_LOSS */
	-EACCES,       /* UNAUTHENTICATED */
};
#define CODE_COUNT (sizeof codes / sizeof codes[0])

static bool is(const void *text, size_t size, const char *word)
{
	return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* A number of at most four digits; -1: it is none. */
static int number(const char *text, size_t size)
{
	int value = 0;
	if (size == 0 || size > 4)
		return -1;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = 10 * value + (text[i] - '0');
	}
	return value;
}

static int digit(char byte)
{
	static const char digits[] = "0123456789abcdef";
	const char *place = strchr(digits, byte >= 'A' && byte <= 'F' ? byte - 'A' + 'a' : byte);
	return byte == '\0' || place == NULL ? -1 : (int)(place - digits);
}

/* Percent-decodes a grpc-message; control bytes are not let through. */
static void take_message(struct outcome *outcome, const char *text, size_t size)
{
	size_t count = 0;
	for (size_t i = 0; i < size && count < sizeof outcome->message - 1; i++) {
		unsigned char byte = (unsigned char)text[i];
		if (byte == '%' && i + 2 < size && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
			byte = (unsigned char)(digit(text[i + 1]) << 4 | digit(text[i + 2]));
			i += 2;
		}
		outcome->message[count++] = byte < ' ' || byte == 0x7f ? '?' : (char)byte;
	}
	outcome->message[count] = '\0';
}

void outcome_init(struct outcome *outcome)
{
	*outcome = (struct outcome){.status = -1};
}

void outcome_header(struct outcome *outcome, const void *name, size_t name_size, const void *value, size_t value_size)
{
	if (is(name, name_size, ":status")) {
		outcome->http = number(value, value_size);
	} else if (is(name, name_size, "grpc-status")) {
		outcome->status = number(value, value_size);
	} else if (is(name, name_size, "grpc-message")) {
		take_message(outcome, value, value_size);
	} else if (is(name, name_size, "clog-outcome")) {
		outcome->appended = is(value, value_size, "refused")   ? OUTCOME_REFUSED
		                    : is(value, value_size, "unknown") ? OUTCOME_UNKNOWN
		                                                       : OUTCOME_UNSAID;
	} else if (is(name, name_size, "clog-errno")) {
		for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
			if (is(value, value_size, errors[i].name))
				outcome->error = errors[i].error;
	}
}

int outcome_error(const struct outcome *outcome)
{
	if (outcome->broken)
		return outcome->error;
	if (outcome->status == 0)
		return 0;
	if (outcome->status < 0)
		return outcome->http == 401 || outcome->http == 403 ? -EACCES : -EPROTO;
	if (outcome->error != 0)
		return outcome->error;
	return (size_t)outcome->status < CODE_COUNT ? codes[outcome->status] : -EPROTO;
}
