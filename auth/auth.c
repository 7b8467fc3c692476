#include "auth/auth.h"

#include <errno.h>

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
	(void)log;
	if (principal->kind != AUTH_USER || principal->uid == 0)
		return 0;
	mode_t class = principal->uid == policy->owner ? 0100 : principal->gid == policy->group ? 0010 : 0001;
	return auth_classes(policy, action) & class ? 0 : -EACCES;
}
