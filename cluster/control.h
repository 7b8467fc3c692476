/* Control commands: entries of type LOG_CONTROL that change the machine. docs/format.md has the bytes. */
#ifndef CLOG_CLUSTER_CONTROL_H
#define CLOG_CLUSTER_CONTROL_H

#include <stddef.h>
#include <stdint.h>

enum control_type {
	CONTROL_SESSION = 1, /* opens a session, whose id is the entry's number */
	CONTROL_TRIM = 2,    /* records below the offset go */
	CONTROL_RETAIN = 3,  /* how much is kept */
};

struct control {
	enum control_type type;
	uint64_t offset;       /* CONTROL_TRIM */
	uint64_t retain_bytes; /* CONTROL_RETAIN; 0: all */
	uint64_t retain_ns;    /* CONTROL_RETAIN; 0: for ever */
};

#define CONTROL_SIZE 32u

void control_encode(const struct control *control, unsigned char data[CONTROL_SIZE]);
/* -EBADMSG when the bytes are no command. */
int control_decode(const void *data, size_t size, struct control *control);

#endif
