/* Transports under test: two ends on one loop, over loopback, n1 that speaks and n2 that hears. */
#ifndef CLOG_TESTS_CLUSTER_TRANSPORTING_H
#define CLOG_TESTS_CLUSTER_TRANSPORTING_H

#include "cluster/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#include "error/error.h"
#include "tls/tls.h"

#define ENDS_MAX 2
#define DEADLINE_MS 60000u
#define MESSAGES 200

/* One side: a transport and what its member would say and hear. */
struct end {
	struct transport *transport;
	struct tls_context *tls;
	struct wire_hello self;
	char folder[32];
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t member_count;
	uint64_t received, bytes, wrong, writables;
	struct message last;
};

struct rig {
	uv_loop_t loop;
	uv_timer_t alarm;
	bool late;
	struct end ends[ENDS_MAX];
	const char *servers; /* of names; NULL: the system's */
	char *events;
	size_t events_size;
	FILE *stream;
};
extern struct rig rig;
extern unsigned char *bulk; /* MESSAGE_SIZE_MAX bytes */

/* ---- Set-ups, and the way back ---- */

int set_up_plain(void **state);
int set_up_tls(void **state);
int tear_down(void **state);
void on_alarm(uv_timer_t *alarm);
/* Runs the loop until the condition is true. */
#define RUN_UNTIL(condition)                                                                                           \
	do {                                                                                                           \
		uv_timer_start(&rig.alarm, on_alarm, DEADLINE_MS, 0);                                                  \
		for (rig.late = false; !rig.late && !(condition);)                                                     \
			uv_run(&rig.loop, UV_RUN_ONCE);                                                                \
		uv_timer_stop(&rig.alarm);                                                                             \
		assert_false(rig.late);                                                                                \
	} while (0)

/* Whether an event has these words in it. */
bool was_told(const char *words);
/* Makes a member's certificate, in place of the one that is there. */
void issue(const char *authority, const char *name, const char *into);
/* Loads an end's certificates. */
void load(struct end *end);
int create(struct end *end, const char *listen, const char *address, struct clog_error *err);
void start(struct end *end, const char *listen);
void start_both(void);
void stop(struct end *end);
/* Starts both, and waits until n1 can speak to n2. */
void connect_ends(void);
/* The address of n2, and n1's way to it. */
const char *there(void);
enum cluster_way way(void);
/* How many messages n1 has said, each with so many bytes of data. */
extern uint64_t sent;
void say(size_t size);

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, set_up_plain, tear_down)
#define SECRET(test)                                                                                                   \
	{                                                                                                              \
#test " (with certificates)", test, set_up_tls, tear_down, NULL                                        \
	}

#endif
