/* auth: who may do what. Every door asks the one auth_authorize before it serves anything. */
#ifndef CLOG_AUTH_AUTH_H
#define CLOG_AUTH_AUTH_H

#include <sys/types.h>

/* Who asks. */
struct auth_principal {
	uid_t uid; /* of the local process, as the kernel tells it */
};

enum auth_action {
	AUTH_PRODUCE, /* append */
	AUTH_CONSUME, /* read records, list them, ask for offsets */
	AUTH_OBSERVE, /* read cluster/ and status/ */
	AUTH_ADMIN,   /* trim, set the retention, change the members */
};

/* The rules. Without an access list, the owner and root may do everything and nobody else anything. */
struct auth_policy {
	uid_t owner;
};

/* Returns 0, or -EACCES when the principal may not do the action on the log. */
int auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal, enum auth_action action,
                   const char *log);

#endif
