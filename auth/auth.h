/* auth: who may do what. Every door asks the one auth_authorize before it serves anything. */
#ifndef CLOG_AUTH_AUTH_H
#define CLOG_AUTH_AUTH_H

#include <sys/types.h>

/* How it is known who asks. */
enum auth_kind {
	AUTH_USER,        /* a local process, by its uid, as the kernel tells it */
	AUTH_CERTIFICATE, /* who shows a certificate of the cluster's authority, by the name in it */
	AUTH_LOOPBACK,    /* a connection from this machine, where no certificates are asked for: nobody knows */
};

/* Who asks. */
struct auth_principal {
	enum auth_kind kind;
	uid_t uid;        /* of a USER */
	const char *name; /* of the others, borrowed */
};

enum auth_action {
	AUTH_PRODUCE, /* append */
	AUTH_CONSUME, /* read records, list them, ask for offsets */
	AUTH_OBSERVE, /* read cluster/ and status/ */
	AUTH_ADMIN,   /* trim, set the retention, change the members */
};

/* The rules. Without an access list, the owner and root may do everything and no other user anything; whoever
 * shows a certificate, or comes by a door that asks for none, may do everything. */
struct auth_policy {
	uid_t owner;
};

/* Returns 0, or -EACCES when the principal may not do the action on the log. */
int auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal, enum auth_action action,
                   const char *log);

#endif
