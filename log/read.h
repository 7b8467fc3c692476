/* A read of the log: read.c begins and ends it, on the owner's thread; read_run.c does what may block. */
#ifndef CLOG_LOG_READ_H
#define CLOG_LOG_READ_H

#include "log/bytes.h"
#include "log/state.h"

/* Finds the place in the store, by the index. */
void read_place(struct log_read *read, const struct log_index *index);
/* Opens the store, unless it is open. -EAGAIN when that would have to wait and must not. */
int read_open_store(struct log_read *read, bool wait);
/* Brings the index of a sealed segment into memory, from its file, or, when that is damaged, from the store. */
int read_load_index(struct log_read *read);

#endif
