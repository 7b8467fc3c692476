/* resolving: a loop with a resolver on it and the DNS server that it asks. */
#ifndef CLOG_TESTS_CHANNEL_RESOLVING_H
#define CLOG_TESTS_CHANNEL_RESOLVING_H

#include "channel/channel.h"
#include "error/error.h"
#include "tests/channel/name_server.h"

#include <stddef.h>
#include <uv.h>

struct resolving {
	uv_loop_t loop;
	uv_timer_t deadline;
	struct name_server server;
	struct resolver *resolver;
};

/* How a lookup ended. */
struct outcome {
	unsigned calls;
	int status;
	struct resolved resolved;
	char sentence[CLOG_ERROR_TEXT_SIZE];
};

/* Asserts at its end that the loop has nothing left in it. */
void resolving_init(struct resolving *resolving, const struct name_record *records, size_t count);
void resolving_finish(struct resolving *resolving);

/* A test's set-up with a zone of records, and its tear-down: *state is the resolving between them. */
int resolving_set_up(void **state, const struct name_record *records, size_t count);
int resolving_tear_down(void **state);

/* The callback; its arg is the outcome. */
void resolving_note(void *arg, int status, const struct resolved *resolved, const char *sentence);

/* Runs the loop until that many calls came to outcome; what never comes ends the test, and does not hang it. */
void resolving_await(struct resolving *resolving, const struct outcome *outcome, unsigned calls);

/* Runs the loop until nothing in it but the server and the deadline is alive. */
void resolving_settle(struct resolving *resolving);

/* One lookup from its start to its end. */
struct outcome resolving_address(struct resolving *resolving, const char *address);
struct outcome resolving_service(struct resolving *resolving, const char *name_and_port);

/* The addresses as text, in their order: "[::1]:7400 127.0.0.1:7400". Valid until the next call. */
const char *resolving_text(const struct outcome *outcome);

#endif
