/* name_server: a small DNS server for tests, on loopback and in the test's own loop, by UDP and TCP. */
#ifndef CLOG_TESTS_CHANNEL_NAME_SERVER_H
#define CLOG_TESTS_CHANNEL_NAME_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum name_type { NAME_A = 1, NAME_CNAME = 5, NAME_AAAA = 28, NAME_SRV = 33 };

struct name_record {
	const char *name;
	enum name_type type;
	const char *text; /* 127.0.0.1, ::1, a.test, or PRIORITY WEIGHT PORT TARGET */
};

/* What is done with an answer; set at any time. All zero: it is sent as it should be. */
struct name_manners {
	enum name_type silent_type; /* no answer to questions of this type */
	bool silent;                /* nor to any */
	bool silent_tcp;
	unsigned rcode;  /* not 0: this, and no records */
	bool truncated;  /* by UDP, only that there is more: it is to be had by TCP */
	bool forged;     /* an answer with another number before the true one */
	size_t cut_at;   /* not 0: by UDP, this many bytes of it at most */
	size_t flip_at;  /* not 0: by UDP, the byte before this one is another */
	bool noise;      /* by UDP, bytes that are no answer at all */
	bool only_noise; /* and nothing else */
};

struct name_server {
	uv_udp_t udp;
	uv_tcp_t tcp;
	struct name_client *clients; /* by TCP */
	char address[32];            /* 127.0.0.1:PORT */
	const struct name_record *records;
	size_t count;
	struct name_manners manners;
	unsigned questions, questions_tcp;
	size_t answer_size; /* of the last answer */
};

/* Serves records (borrowed) until name_server_finish, after which the loop has to go round once. */
void name_server_init(struct name_server *server, uv_loop_t *loop, const struct name_record *records, size_t count);
void name_server_finish(struct name_server *server);

#endif
