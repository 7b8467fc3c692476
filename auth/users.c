#include "auth/users.h"

#include "auth/acl.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define ENTRY_SIZE (16u << 10) /* bytes of all the texts that a machine has of a user */

static void ask(uid_t uid, char name[AUTH_NAME_SIZE])
{
	char texts[ENTRY_SIZE];
	struct passwd entry, *found = NULL;
	name[0] = '\0';
	if (getpwuid_r(uid, &entry, texts, sizeof texts, &found) != 0 || found == NULL)
		return;
	/* A user who is called by a number is not another one's number. */
	if (acl_is_name(found->pw_name, strlen(found->pw_name)) &&
	    found->pw_name[strspn(found->pw_name, "0123456789")] != '\0')
		snprintf(name, AUTH_NAME_SIZE, "%s", found->pw_name);
}

const char *users_name(struct users *users, uid_t uid, uint64_t now_s)
{
	struct users *const all = users;
	const size_t i = uid % USERS_COUNT;
	if (!all->slots[i].asked || all->slots[i].uid != uid ||
	    (all->slots[i].name[0] == '\0' && now_s >= all->slots[i].until_s)) {
		ask(uid, all->slots[i].name);
		all->slots[i].asked = true;
		all->slots[i].uid = uid;
		all->slots[i].until_s = now_s + USERS_UNKNOWN_S;
	}
	return all->slots[i].name[0] != '\0' ? all->slots[i].name : NULL;
}
