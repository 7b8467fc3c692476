/* Control commands: entries of type LOG_CONTROL that change the machine. docs/format.md has the bytes. */
#ifndef CLOG_CLUSTER_CONTROL_H
#define CLOG_CLUSTER_CONTROL_H

#include "service/service.h"

enum control_type {
	CONTROL_SESSION = 1, /* opens a session, whose id is the entry's number */
	CONTROL_TRIM = 2,    /* records below the offset go */
	CONTROL_RETAIN = 3,  /* how much is kept */
	CONTROL_SETTING = 4, /* another value under a key, or none any more */
};

struct control {
	enum control_type type;
	uint64_t offset;       /* CONTROL_TRIM */
	uint64_t retain_bytes; /* CONTROL_RETAIN; 0: all */
	uint64_t retain_ns;    /* CONTROL_RETAIN; 0: for ever */
	uint64_t session_key;  /* CONTROL_SESSION; 0: a member's own */
	const char *key;       /* CONTROL_SETTING, with no NUL at the end; borrowed, as the value is */
	size_t key_size;
	const void *value;
	size_t value_size; /* 0: it goes */
};

#define CONTROL_SIZE 32u /* bytes of a command, but for a setting */
#define CONTROL_SIZE_MAX (CONTROL_SIZE + SERVICE_KEY_SIZE - 1 + SERVICE_VALUE_SIZE_MAX)

/* Encodes into CONTROL_SIZE bytes, or, of a setting, those of its key and its value more. Returns the size. */
size_t control_encode(const struct control *control, unsigned char *data);
/* -EBADMSG when the bytes are no command. What is borrowed lies in them. */
int control_decode(const void *data, size_t size, struct control *control);

#endif
