/* Tokens: who has one may do what it grants (docs/access.md). */
#include "auth/auth.h"
#include "cmd/clog.h"
#include "cmd/numbers.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "cmd/settings.h"
#include "error/error.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OPTION_GRANT = 256, OPTION_TTL, OPTION_OUT };

static const struct option long_options[] = {
	{"grant", required_argument, NULL, OPTION_GRANT},
	{"ttl", required_argument, NULL, OPTION_TTL},
	{"out", required_argument, NULL, OPTION_OUT},
	{NULL, 0, NULL, 0},
};

/* What is said after "clog token". */
struct words {
	const char *command, *name, *grant, *out;
	uint64_t ttl_s; /* 0: for ever */
};

static int take_option(struct words *words, int found, char *const argv[], struct clog_error *err)
{
	switch (found) {
	case OPTION_GRANT:
		words->grant = optarg;
		return CLOG_OK;
	case OPTION_OUT:
		words->out = optarg;
		return CLOG_OK;
	case OPTION_TTL:
		if (numbers_read_span(optarg, &words->ttl_s))
			return CLOG_OK;
		return clog_refuse(err, "--ttl: '%s' is no span of time such as 30d, 12h or 90s", optarg);
	default:
		return clog_refuse_option(found, argv, err);
	}
}

static int take_words(struct words *words, int argc, char *argv[], struct clog_error *err)
{
	*words = (struct words){0};
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		const int status = take_option(words, found, argv, err);
		if (status != CLOG_OK)
			return status;
	}
	const int count = argc - optind;
	words->command = count > 0 ? argv[optind] : "";
	words->name = count > 1 ? argv[optind + 1] : NULL;
	const bool lists = strcmp(words->command, "list") == 0;
	const bool creates = strcmp(words->command, "create") == 0;
	if (!(lists && count == 1) && !(creates && count == 2) &&
	    !(strcmp(words->command, "revoke") == 0 && count == 2))
		return clog_refuse(err, "clog token takes create NAME, list, or revoke NAME");
	if (creates && words->grant == NULL)
		return clog_refuse(err,
		                   "--grant is missing: produce, consume, observe or admin, with commas between them");
	if (!creates && (words->grant != NULL || words->out != NULL || words->ttl_s != 0))
		return clog_refuse(err, "--grant, --ttl and --out are for clog token create");
	return CLOG_OK;
}

static void set_key(char key[SERVICE_KEY_SIZE], const char *name)
{
	snprintf(key, SERVICE_KEY_SIZE, "%s%s", AUTH_TOKEN_KEY, name);
}

static bool is_name(const char *name)
{
	const size_t size = strlen(name);
	return size > 0 && size < 64 && name[0] != '.' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

static int check_name(const char *name, struct clog_error *err)
{
	if (is_name(name))
		return CLOG_OK;
	return clog_refuse(err, "'%s' is no name for a token: 1 to 63 of A-Z a-z 0-9 . _ -, not beginning with a dot",
	                   name);
}

/* ---- Create ---- */

/* A file for a token that is its owner's alone, and is not there yet. */
static int open_out(const char *path, int *file, struct clog_error *err)
{
	*file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*file >= 0)
		return CLOG_OK;
	clog_error_set(err, -errno, "%s: %s", path,
	               errno == EEXIST ? "it is there, and is not replaced" : strerror(errno));
	return CLOG_FAILED;
}

/* Writes the token before the cluster knows of it: what cannot be kept shall not be made. */
static int write_out(const char *path, int file, const char *text, struct clog_error *err)
{
	char line[AUTH_TOKEN_SIZE + 1];
	const int size = snprintf(line, sizeof line, "%s\n", text);
	if (write(file, line, (size_t)size) == size && fsync(file) == 0)
		return CLOG_OK;
	clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	return CLOG_FAILED;
}

static int refuse_taken(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err)
{
	const struct words *const words = arg;
	char key[SERVICE_KEY_SIZE];
	set_key(key, words->name);
	if (settings_find(settings, count, key) == NULL)
		return CLOG_OK;
	clog_error_set(err, -EEXIST, "there is a token %s already: clog token revoke %s takes it away", words->name,
	               words->name);
	return CLOG_FAILED;
}

static int register_token(const struct target *target, struct words *words, const char *value, struct clog_error *err)
{
	struct remote remote;
	char key[SERVICE_KEY_SIZE];
	int status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	set_key(key, words->name);
	status = settings_read(&remote, refuse_taken, words, err);
	if (status == CLOG_OK)
		status = settings_write(&remote, key, value, strlen(value), err);
	remote_close(&remote);
	return status;
}

static int make(struct words *words, char text[AUTH_TOKEN_SIZE], char value[AUTH_TOKEN_VALUE_SIZE],
                struct clog_error *err)
{
	struct auth_token token = {.name = words->name, .created_s = (uint64_t)time(NULL)};
	token.until_s = words->ttl_s != 0 ? token.created_s + words->ttl_s : 0;
	int status = auth_grants_read(words->grant, token.granted, err);
	if (status == 0)
		status = auth_token_create(&token, text, value, err);
	return status == 0 ? CLOG_OK : status == -EINVAL ? CLOG_USAGE : CLOG_FAILED;
}

static int create(const struct target *target, struct words *words, struct clog_error *err)
{
	char text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	int file = -1;
	int status = make(words, text, value, err);
	if (status == CLOG_OK && words->out != NULL)
		status = open_out(words->out, &file, err);
	if (status == CLOG_OK && file >= 0)
		status = write_out(words->out, file, text, err);
	if (status == CLOG_OK)
		status = register_token(target, words, value, err);
	if (status != CLOG_OK && file >= 0 && err->code != -ETIMEDOUT && err->code != -ECONNABORTED)
		unlink(words->out); /* it is a token of nobody's */
	if (file >= 0)
		close(file);
	if (status != CLOG_OK || file >= 0)
		return status;
	if (output_print(NULL, "%s\n", text) == CLOG_OK && output_flush(NULL) == CLOG_OK)
		return CLOG_OK;
	clog_error_set(err, -EIO, "the token was made, and cannot be printed: clog token revoke %s takes it away",
	               words->name);
	return CLOG_FAILED;
}

/* ---- List, revoke ---- */

static void write_time(uint64_t time_s, char text[32])
{
	const time_t seconds = (time_t)time_s;
	struct tm parts;
	if (time_s == 0 || gmtime_r(&seconds, &parts) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		memcpy(text, "-", 2);
}

static int print_token(const struct service_setting *setting, struct clog_error *err)
{
	const char *const name = setting->key + strlen(AUTH_TOKEN_KEY);
	struct auth_token token;
	char grants[64] = "", created[32], until[32];
	if (auth_token_read(&token, name, setting->value, setting->size) != 0)
		return output_print(err, "%-24s %-32s %-20s %s\n", name, "(damaged: it permits nothing)", "-", "-");
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++) {
		const size_t size = strlen(grants);
		if (token.granted[action])
			snprintf(grants + size, sizeof grants - size, "%s%s", size > 0 ? "," : "",
			         auth_action_name((enum auth_action)action));
	}
	write_time(token.created_s, created);
	write_time(token.until_s, until);
	return output_print(err, "%-24s %-32s %-20s %s\n", name, grants, created, until);
}

static int print_tokens(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err)
{
	(void)arg;
	int status = output_print(err, "%-24s %-32s %-20s %s\n", "NAME", "GRANTS", "CREATED", "ENDS");
	for (size_t i = 0; i < count && status == CLOG_OK; i++)
		if (strncmp(settings[i].key, AUTH_TOKEN_KEY, strlen(AUTH_TOKEN_KEY)) == 0)
			status = print_token(&settings[i], err);
	return status == CLOG_OK ? output_flush(err) : status;
}

static int refuse_missing(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err)
{
	const struct words *const words = arg;
	char key[SERVICE_KEY_SIZE];
	set_key(key, words->name);
	if (settings_find(settings, count, key) != NULL)
		return CLOG_OK;
	clog_error_set(err, -ENOENT, "there is no token %s", words->name);
	return CLOG_FAILED;
}

static int list_or_revoke(const struct target *target, struct words *words, struct clog_error *err)
{
	struct remote remote;
	int status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	if (words->name == NULL) {
		status = settings_read(&remote, print_tokens, NULL, err);
	} else {
		char key[SERVICE_KEY_SIZE];
		set_key(key, words->name);
		status = settings_read(&remote, refuse_missing, words, err);
		if (status == CLOG_OK)
			status = settings_write(&remote, key, NULL, 0, err);
	}
	remote_close(&remote);
	return status;
}

int clog_token(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	struct words words;
	int status = take_words(&words, argc, argv, err);
	if (status == CLOG_OK && words.name != NULL)
		status = check_name(words.name, err);
	if (status != CLOG_OK)
		return status;
	if (strcmp(words.command, "create") == 0)
		return create(target, &words, err);
	return list_or_revoke(target, &words, err);
}
