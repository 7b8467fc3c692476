/* users: what this machine calls its users. */
#ifndef CLOG_AUTH_USERS_H
#define CLOG_AUTH_USERS_H

#include "auth/auth.h"

#define USERS_COUNT 64u    /* users that are remembered */
#define USERS_UNKNOWN_S 10 /* how long it is trusted that one has no name */

struct users {
	struct {
		bool asked;
		uid_t uid;
		uint64_t until_s;          /* of a user without a name: when to ask again */
		char name[AUTH_NAME_SIZE]; /* empty: none */
	} slots[USERS_COUNT];
};

/* The user's name; NULL where it has none, none that an access list can have, or none that is not a number. To find it out
 * may block: once for a user, until the users are forgotten (struct users of zeros). Valid until the next call. */
const char *users_name(struct users *users, uid_t uid, uint64_t now_s);

#endif
