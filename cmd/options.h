/* options: what clogd is told, by its command line, its environment and its configuration file. */
#ifndef CLOG_CMD_OPTIONS_H
#define CLOG_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cmd/config.h"

struct clog_error;

#define OPTIONS_JOIN_MAX 16u /* addresses to join at */

enum options_action { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* The strings point into the command line, the environment, or file; so it is not copied. */
struct options {
	enum options_action action; /* not RUN: nothing else is set */
	const char *data;
	const char *mounts[CONFIG_MOUNTS_MAX];
	size_t mount_count;
	const char *name;         /* NULL: not told */
	const char *peer;         /* NULL: none */
	const char *advertise;    /* NULL: not told */
	const char *join;         /* addresses with commas between them; NULL: none */
	const char *http;         /* NULL: none */
	const char *tls;          /* a folder; NULL: none */
	bool tls_1_2;             /* clients may speak TLS 1.2, too */
	const char *grpc;         /* NULL: none */
	const char *jwt_keys;     /* a folder; NULL: none */
	const char *jwt_audience; /* NULL: the cluster's name */
	const char *config;       /* the file's path; NULL: none */
	bool guard;
	bool allow_other;
	const char *owner; /* NULL: not told, and the next two are the process's own */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	struct config file;
};

/* Gives the value of a variable of the environment, or NULL. */
typedef const char *(*options_lookup_cb)(const char *variable, void *arg);

/* Merges, for each option, in falling precedence: the command line, the environment, the configuration file, the
 * default. An empty variable is as good as none. The mounts of one source are not added to another's. Returns -EINVAL with a sentence that names what is wrong and where it
 * was said, or config_load's errors. Uses getopt_long, so one thread at a time. */
int options_read(struct options *options, int argc, char *argv[], options_lookup_cb lookup, void *arg,
                 struct clog_error *err);

/* Gives the name that a member takes from its host's: the first label. -EINVAL, with a sentence, when that is no name
 * for a member. */
int options_host_name(const char *host, char name[static CONFIG_NAME_SIZE], struct clog_error *err);

#define OPTIONS_CLIENTS_SIZE (CONFIG_ADDRESS_SIZE + 8) /* bytes of an address that clients are told, its NUL included */

/* Gives the address that clients of gRPC are told where it listens at every one that the machine has: the host by which the
 * other members reach this one; known is that of a member that is not told one anew, or empty. NULL: it listens at one, or
 * there is no other. */
const char *options_clients_address(const struct options *options, const char *known,
                                    char text[static OPTIONS_CLIENTS_SIZE]);

/* Gives the options as lines of a configuration file that says the same, which the caller frees; NULL without memory.
 * Bytes of a path that are not UTF-8 are kept, although YAML has no place for them. */
char *options_render(const struct options *options);

/* What --help prints. */
extern const char options_help[];

#endif
