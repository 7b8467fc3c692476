/* The access list: who may do what (docs/access.md). */
#include "auth/auth.h"
#include "cmd/clog.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/settings.h"
#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static const struct option long_options[] = {{NULL, 0, NULL, 0}};

static int print(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err)
{
	(void)arg;
	const struct service_setting *const list = settings_find(settings, count, AUTH_ACL_KEY);
	if (list == NULL) {
		clog_error_set(err, 0, "there is no access list: whoever shows a certificate may do everything");
		return CLOG_OK;
	}
	const int status = output_write(list->value, list->size, err);
	return status == CLOG_OK ? output_flush(err) : status;
}

static int show(const struct target *target, struct clog_error *err)
{
	struct remote remote;
	int status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	status = settings_read(&remote, print, NULL, err);
	remote_close(&remote);
	return status;
}

static int write_list(const struct target *target, const char *text, size_t size, struct clog_error *err)
{
	struct remote remote;
	int status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	status = settings_write(&remote, AUTH_ACL_KEY, text, size, err);
	remote_close(&remote);
	return status;
}

static int set(const struct target *target, const char *path, struct clog_error *err)
{
	static char text[AUTH_ACL_SIZE_MAX];
	struct clog_error wrong = {0};
	struct input input;
	const int status = input_open(&input, path, err);
	if (status != CLOG_OK)
		return status;
	const ssize_t size = input_read_all(&input, text, sizeof text, err);
	input_close(&input);
	if (size < 0)
		return CLOG_FAILED;
	if (size > (ssize_t)sizeof text)
		clog_error_set(err, -EMSGSIZE, "%s has more than the %u bytes that an access list may have", input.name,
		               AUTH_ACL_SIZE_MAX);
	else if (size == 0)
		clog_error_set(err, -EINVAL,
		               "%s is empty: a comment alone (# nobody) permits nothing, and clog acl unset takes the "
		               "list away",
		               input.name);
	else if (auth_acl_check(text, (size_t)size, &wrong) != 0)
		clog_error_set(err, wrong.code, "%s: %s", input.name, wrong.text);
	else
		return write_list(target, text, (size_t)size, err);
	return CLOG_FAILED;
}

int clog_acl(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	optind = 0;
	const int found = getopt_long(argc, argv, ":", long_options, NULL);
	if (found != -1)
		return clog_refuse_option(found, argv, err);
	const char *const command = optind < argc ? argv[optind] : "";
	const int count = argc - optind;
	if (strcmp(command, "show") == 0 && count == 1)
		return show(target, err);
	if (strcmp(command, "set") == 0 && count == 2)
		return set(target, argv[optind + 1], err);
	if (strcmp(command, "unset") == 0 && count == 1)
		return write_list(target, NULL, 0, err);
	return clog_refuse(err, "clog acl takes show, set FILE, or unset");
}
