/* The end of a log as bytes, TAIL_SIZE of them: in heads, marks, footers and bases. */
#ifndef CLOG_LOG_TAIL_H
#define CLOG_LOG_TAIL_H

#include "log/log.h"

#define TAIL_SIZE 48u

void tail_encode(unsigned char bytes[TAIL_SIZE], const struct log_tail *tail);
void tail_decode(const unsigned char bytes[TAIL_SIZE], struct log_tail *tail);
bool tail_same(const struct log_tail *a, const struct log_tail *b);

#endif
