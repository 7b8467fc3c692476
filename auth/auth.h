/* auth: who may do what. Every door asks the one auth_authorize before it serves anything. */
#ifndef CLOG_AUTH_AUTH_H
#define CLOG_AUTH_AUTH_H

#include <sys/types.h>

/* How it is known who asks. */
enum auth_kind {
	AUTH_USER,        /* a local process, by its uid, as the kernel tells it */
	AUTH_CERTIFICATE, /* who shows a certificate of the cluster's authority, by the name in it */
};

/* Who asks. */
struct auth_principal {
	enum auth_kind kind;
	uid_t uid; /* of a USER */
	gid_t gid; /* likewise; or the policy's group where the user is in that besides: a door that can tell finds out */
	const char *name; /* borrowed; NULL: a user's is the number */
};

enum auth_action {
	AUTH_PRODUCE, /* append */
	AUTH_CONSUME, /* read records, list them, ask for offsets */
	AUTH_OBSERVE, /* read cluster/ and status/ */
	AUTH_ADMIN,   /* trim, set the retention, change the members */
};

/* The rules. For users they are those of a file with that owner, group and mode: who may write it may produce, who may
 * read it may consume and observe. To admin is for the owner alone, whatever the mode. Root may do everything. There is
 * no access list yet: whoever shows a certificate may do everything. */
struct auth_policy {
	uid_t owner;
	gid_t group;
	mode_t mode; /* at most 0666 */
};

/* Gives the classes of users that may do the action, as the x bits of a mode: 0100 the owner, 0010 the group, 0001 all
 * others. Root, who may do everything, is none of them. */
mode_t auth_classes(const struct auth_policy *policy, enum auth_action action);

/* Returns 0, or -EACCES when the principal may not do the action on the log. As for a file, the owner is judged by the
 * owner's bits alone, and who is in the group by the group's. */
int auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal, enum auth_action action,
                   const char *log);

#endif
