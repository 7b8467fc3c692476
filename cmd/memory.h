/* memory: what the member has freed goes back to the kernel. The C library keeps it for what comes: after a thousand
 * connections, or a large index, that would be for ever. */
#ifndef CLOG_CMD_MEMORY_H
#define CLOG_CMD_MEMORY_H

struct uv_loop_s;
struct uv_timer_s;

/* Looks after it from time to time, by a timer of the caller's, which the caller closes. It alone does not keep the loop
 * running. */
void memory_watch(struct uv_loop_s *loop, struct uv_timer_s *timer);

#endif
