/* access: who may do what, as the cluster keeps it, brought to auth/. */
#ifndef CLOG_CMD_ACCESS_H
#define CLOG_CMD_ACCESS_H

#include "cmd/config.h"
#include "service/service.h"

struct auth_access;
struct clog_error;

/* In the caller's memory, and in place until access_finish. */
struct access {
	struct auth_access *rules; /* what the doors ask by */
	/* Private. */
	struct service *service;
	struct service_watch watch;
	const char *folder;                  /* of the keys; NULL: none */
	char audience[CONFIG_AUDIENCE_SIZE]; /* theirs */
	bool known;                          /* the rules are the cluster's, */
	uint64_t entry;                      /* as of this one */
};

/* Takes the rules from the service, and from then on each time that they change, and tells of it in events. Keys for JSON Web
 * Tokens come from the folder, unless that is NULL; its name is borrowed until access_finish. What cannot be read permits
 * nothing. Errors: auth_access_keys', with a sentence; -ENOMEM. Nothing is left of the attempt. */
int access_init(struct access *access, struct service *service, const char *folder, const char *audience,
                struct clog_error *err);
/* Takes the keys anew; where that fails, those before stay, and an event says why. */
void access_reload(struct access *access);
/* access of zeros is allowed. */
void access_finish(struct access *access);

#endif
