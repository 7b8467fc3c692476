/* target: which servers a command of clog asks, and as whom. The words for that are alike for all commands. */
#ifndef CLOG_CMD_TARGET_H
#define CLOG_CMD_TARGET_H

#include <stdbool.h>

struct clog_error;

#define TARGET_SERVERS "127.0.0.1:8400" /* default */

/* The strings point into the command line or the environment. */
struct target {
	const char *servers;    /* HOST:PORT[,HOST:PORT...] */
	const char *tls_folder; /* NULL: no TLS */
	const char *token_file; /* NULL: no token */
	bool told;              /* by the command line, one of the three */
	bool servers_told;      /* by the command line or the environment */
};

/* Gives the value of a variable of the environment, or NULL. */
typedef const char *(*target_lookup_cb)(const char *variable, void *arg);

/* Takes --server, --tls and --token-file out of a command line, wherever they are before a "--"; what is left keeps its order.
 * What is not said there is taken from CLOG_SERVER, CLOG_TLS and CLOG_TOKEN_FILE; an empty variable is as good as none. -EINVAL
 * with a sentence. */
int target_take(struct target *target, int *argc, char *argv[], target_lookup_cb lookup, void *arg,
                struct clog_error *err);

#endif
