#include "cmd/owner.h"

#include "error/error.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 256
#define MODE_DIGITS_MAX 4
#define MODE_MAX 0666

/* Reads an id. The last number there is means none to the system's calls. */
static bool read_id(const char *text, uint32_t *id)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	const unsigned long value = strtoul(text, &end, 10);
	*id = (uint32_t)value;
	return *end == '\0' && errno == 0 && value < UINT32_MAX;
}

static int find_group(const char *name, const char *label, gid_t *group, struct clog_error *err)
{
	const struct group *const found = getgrnam(name);
	if (found != NULL)
		*group = found->gr_gid;
	else if (!read_id(name, group))
		return clog_error_set(err, -EINVAL, "%s: there is no group '%s' here", label, name);
	return 0;
}

/* Gives the user's own group too, where it is known. */
static int find_user(const char *name, bool group_needed, const char *label, uid_t *user, gid_t *group,
                     struct clog_error *err)
{
	const struct passwd *found = getpwnam(name);
	if (found == NULL && !read_id(name, user))
		return clog_error_set(err, -EINVAL, "%s: there is no user '%s' here", label, name);
	if (found == NULL)
		found = getpwuid(*user);
	if (found == NULL && group_needed)
		return clog_error_set(err, -EINVAL, "%s: no user here has the number %s: say the group too, %s:GROUP",
		                      label, name, name);
	if (found != NULL) {
		*user = found->pw_uid;
		*group = found->pw_gid;
	}
	return 0;
}

int owner_parse(const char *text, const char *label, uid_t *user, gid_t *group, struct clog_error *err)
{
	char name[NAME_SIZE];
	const size_t size = strcspn(text, ":");
	const char *const group_name = text[size] == ':' ? text + size + 1 : NULL;
	if (size == 0 || size >= sizeof name || (group_name != NULL && group_name[0] == '\0'))
		return clog_error_set(err, -EINVAL, "%s: '%s' is no USER and no USER:GROUP", label, text);
	memcpy(name, text, size);
	name[size] = '\0';
	const int status = find_user(name, group_name == NULL, label, user, group, err);
	return status == 0 && group_name != NULL ? find_group(group_name, label, group, err) : status;
}

int owner_parse_mode(const char *text, const char *label, mode_t *mode, struct clog_error *err)
{
	const size_t size = strlen(text);
	*mode = (mode_t)strtoul(text, NULL, 8);
	if (size == 0 || size > MODE_DIGITS_MAX || strspn(text, "01234567") != size || (*mode & ~(mode_t)MODE_MAX) != 0)
		return clog_error_set(err, -EINVAL, "%s: '%s' is no mode in octal of at most 666, such as 640", label,
		                      text);
	return 0;
}
