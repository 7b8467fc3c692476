/* history: entries as they follow each other in a log, and the machine that they make. */
#ifndef CLOG_TESTS_CLUSTER_HISTORY_H
#define CLOG_TESTS_CLUSTER_HISTORY_H

#include "cluster/control.h"
#include "cluster/machine.h"

struct history {
	struct machine machine;
	struct machine *second; /* takes in the same and must answer the same; NULL: there is none */
	struct log_tail tail;   /* of what the machine has taken in */
	unsigned char bytes[MACHINE_SIZE_MAX], again[MACHINE_SIZE_MAX];
};

void history_init(struct history *history);
void history_finish(struct history *history);

/* The next entry's frame, with one-byte records, or with one item. The caller drops the reference. */
struct log_frame *history_frame(const struct history *history, uint32_t records, const struct log_session *rows,
                                uint32_t row_count);
struct log_frame *history_item(const struct history *history, enum log_type type, const void *data, size_t size);
/* Has the machine take in a frame, and drops the reference. Where it refuses, nothing may have changed. */
int history_take(struct history *history, struct log_frame *frame);

/* The next entry made and taken in, as above. */
int history_records(struct history *history, uint32_t records, const struct log_session *rows, uint32_t row_count);
int history_row(struct history *history, uint64_t session, uint64_t sequence, uint32_t count);
int history_control(struct history *history, const struct control *control);
int history_members(struct history *history, const struct service_member *members, size_t count);
int history_barrier(struct history *history);
/* Opens a session; gives its id. */
uint64_t history_session(struct history *history);
/* The same of a client's, with a key; and a setting. */
uint64_t history_client(struct history *history, uint64_t key);
int history_setting(struct history *history, const char *key, const void *value, size_t size);

/* What machine_find answers, and that it gives a result exactly where it should. */
enum machine_answer history_find(const struct history *history, uint64_t session, uint64_t sequence, uint32_t count);
/* The result that must be there. */
struct machine_result history_known(const struct history *history, uint64_t session, uint64_t sequence, uint32_t count);

/* Decodes a copy of the bytes that ends where it says, so that one byte read past it is found. */
int history_decode(struct machine *machine, const unsigned char *data, size_t size);
/* Members 1 to count, named a, b and so on. */
void history_name(struct service_member *members, size_t count);

#endif
