/* outcome: how a call of gRPC ended, and what that comes to. */
#ifndef CLOG_CLIENT_OUTCOME_H
#define CLOG_CLIENT_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#define OUTCOME_MESSAGE_SIZE 256u /* bytes of what is kept of a sentence, the NUL included */

enum outcome_appended { OUTCOME_UNSAID, OUTCOME_REFUSED, OUTCOME_UNKNOWN };

struct outcome {
	int http;       /* status; 0: none has come */
	int status;     /* gRPC's; -1: none has come */
	int error;      /* negative errno: the trailer's, or of the connection; 0: none has come */
	bool broken;    /* the connection has ended before the call */
	bool untouched; /* and the server has said that it did nothing */
	enum outcome_appended appended;
	char message[OUTCOME_MESSAGE_SIZE];
};

void outcome_init(struct outcome *outcome);
/* Takes a header or trailer in. */
void outcome_header(struct outcome *outcome, const void *name, size_t name_size, const void *value, size_t value_size);
/* 0 or the negative errno that it comes to. -EPROTO: there is no gRPC there. */
int outcome_error(const struct outcome *outcome);

#endif
