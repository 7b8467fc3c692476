#include "auth/auth.h"

#include "auth/access.h"

#include <errno.h>
#include <stdio.h>

mode_t auth_classes(const struct auth_policy *policy, enum auth_action action)
{
	switch (action) {
	case AUTH_PRODUCE:
		return policy->mode >> 1 & 0111;
	case AUTH_CONSUME:
	case AUTH_OBSERVE:
		return policy->mode >> 2 & 0111;
	default:
		return 0100;
	}
}

int auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal, enum auth_action action,
                   const char *log)
{
	if (principal->kind == AUTH_USER) {
		if (principal->uid == 0)
			return 0;
		const bool owns = principal->uid == policy->owner;
		const mode_t class = owns ? 0100 : principal->gid == policy->group ? 0010 : 0001;
		if (!(auth_classes(policy, action) & class))
			return -EACCES;
		if (owns)
			return 0;
	}
	return access_permits(policy->access, principal, action, log);
}

int auth_authorize_any(const struct auth_policy *policy, const struct auth_principal *principal, const char *log)
{
	int rc = -EACCES;
	for (unsigned action = 0; action < AUTH_ACTION_COUNT && rc == -EACCES; action++)
		rc = auth_authorize(policy, principal, (enum auth_action)action, log);
	return rc;
}

const char *auth_action_name(enum auth_action action)
{
	static const char *const names[AUTH_ACTION_COUNT] = {[AUTH_PRODUCE] = "produce",
	                                                     [AUTH_CONSUME] = "consume",
	                                                     [AUTH_OBSERVE] = "observe",
	                                                     [AUTH_ADMIN] = "admin"};
	return names[action];
}

char *auth_text(const struct auth_principal *principal, char text[AUTH_TEXT_SIZE])
{
	static const char *const kinds[] = {
		[AUTH_USER] = "user", [AUTH_CERTIFICATE] = "cert", [AUTH_TOKEN] = "token", [AUTH_JWT] = "jwt"};
	if (principal->kind == AUTH_NOBODY)
		snprintf(text, AUTH_TEXT_SIZE, "nobody");
	else if (principal->name == NULL)
		snprintf(text, AUTH_TEXT_SIZE, "user:%u", (unsigned)principal->uid);
	else
		snprintf(text, AUTH_TEXT_SIZE, "%s:%s", kinds[principal->kind], principal->name);
	return text;
}
