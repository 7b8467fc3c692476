/* acl: an access list, ready to be asked. docs/access.md has its form. */
#ifndef CLOG_AUTH_ACL_H
#define CLOG_AUTH_ACL_H

#include "auth/auth.h"

struct acl;

/* Takes a list from its text. -EINVAL with a sentence that names the line, -EMSGSIZE past AUTH_ACL_SIZE_MAX, -ENOMEM. */
int acl_create(struct acl **acl, const char *text, size_t size, struct clog_error *err);
void acl_destroy(struct acl *acl);
/* Whether a rule lets the principal of that kind and name do the action on the object. A user's name here is its number,
 * in decimal, or what the machine calls it. Takes a few comparisons, however long the list is. */
bool acl_permits(const struct acl *acl, enum auth_kind kind, const char *name, enum auth_action action,
                 const char *object);
/* Whether a rule names a user by a name, so that it is worth to find out what a user is called. */
bool acl_names_users(const struct acl *acl);

/* Whether the text can be a principal's or an object's name in a list: 1 to AUTH_NAME_SIZE - 1 bytes of ASCII without
 * blanks, controls, commas, quotes and stars. */
bool acl_is_name(const char *text, size_t size);

#endif
