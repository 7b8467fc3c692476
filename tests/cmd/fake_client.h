/* fake_client: what client/client.h promises, over a log in memory, and what goes wrong with it as a test says. */
#ifndef CLOG_TESTS_CMD_FAKE_CLIENT_H
#define CLOG_TESTS_CMD_FAKE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_RECORDS_MAX (1u << 18)
#define FAKE_SETTINGS_MAX 8u

struct fake_record {
	char *data;
	uint32_t size;
};

/* One log for all clients; fake_reset forgets it. */
struct fake {
	struct fake_record records[FAKE_RECORDS_MAX];
	uint64_t first, next;
	struct {
		char key[128];
		char *value;
		uint32_t size;
	} settings[FAKE_SETTINGS_MAX];
	uint32_t setting_count;
	/* What goes wrong. */
	int ready_status;         /* told by client_ready */
	unsigned appends, reads;  /* calls so far */
	unsigned append_fails_at; /* the call with that number, from 1; 0: none */
	int append_failure;       /* is answered so, */
	bool append_refused;      /* or returns it at once */
	unsigned read_fails_at;
	int read_failure;
	int command_failure, settings_failure;
	unsigned full_from, full_calls; /* appends from that call on are refused with -EAGAIN, so many times */
	bool foreign;                   /* others append after each append */
	uint64_t trim_to;               /* at the first failing read the log is trimmed so */
	unsigned outstanding, outstanding_most;
	unsigned clients;
	void (*on_answer)(void); /* before an append is answered */
};
extern struct fake fake;

void fake_reset(void);
void fake_append(const char *text);
/* Tells all who watch. */
void fake_tell(void);

#endif
