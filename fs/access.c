#include "fs/private.h"

int access_ask(const struct fs *fs, uid_t uid, enum node_kind kind, bool change)
{
	const struct auth_principal principal = {.uid = uid};
	const struct node_type *type = node_type(kind);
	int rc = auth_authorize(fs->auth, &principal, change ? type->change : type->action, FS_LOG);
	if (rc == 0 || change || !type->thoroughfare)
		return rc;
	/* Whoever may only append has to get to append, too. */
	for (enum auth_action action = AUTH_PRODUCE; action <= AUTH_OBSERVE; action++)
		if (auth_authorize(fs->auth, &principal, action, FS_LOG) == 0)
			return 0;
	return rc;
}
