/* The members, by the files of a mount, or by a server (members_text.c). */
#include "cmd/clog.h"
#include "cmd/members_text.h"
#include "cmd/target.h"

#include "error/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOUNT "/mnt/clog" /* default */
#define TEXT_SIZE 272     /* bytes that a member's file has at most, and a NUL */
#define OTHERS_MAX 3      /* words that are no options */

enum { OPTION_MOUNT = 256 };

static const struct option long_options[] = {{"mount", required_argument, NULL, OPTION_MOUNT}, {NULL, 0, NULL, 0}};

struct words {
	const struct target *target;
	const char *mount; /* NULL: by the target */
	const char *others[OTHERS_MAX];
	int count;
};

static int take_words(struct words *words, const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	*words = (struct words){.target = target};
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		if (found != OPTION_MOUNT)
			return clog_refuse_option(found, argv, err);
		words->mount = optarg;
	}
	if (argc - optind > OTHERS_MAX)
		return clog_refuse(err, "'%s' is one word too many", argv[optind + OTHERS_MAX]);
	if (words->mount != NULL && target->told)
		return clog_refuse(err, "it is either by --mount or by a server");
	if (words->mount == NULL && !target->told && !target->servers_told)
		words->mount = MOUNT;
	while (optind < argc)
		words->others[words->count++] = argv[optind++];
	return CLOG_OK;
}

/* Gives the path of a member's folder or of a file in it. -EINVAL for what cannot be a member's name. */
static int path_of(char path[PATH_MAX], const char *mount, const char *member, const char *file, struct clog_error *err)
{
	if (member[0] == '\0' || member[0] == '.' || strchr(member, '/') != NULL)
		return clog_error_set(err, -EINVAL, "'%s' is no member's name", member);
	if (snprintf(path, PATH_MAX, "%s/cluster/%s%s", mount, member, file) >= PATH_MAX)
		return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", mount);
	return 0;
}

/* ---- List ---- */

/* Reads a line of a member's file; "-" is what there is to say of a member that has just been removed. */
static int read_text(int folder, const char *member, const char *file, char text[TEXT_SIZE], struct clog_error *err)
{
	char path[NAME_MAX + 32];
	snprintf(path, sizeof path, "%s/%s", member, file);
	const int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	const ssize_t size = fd < 0 ? -1 : read(fd, text, TEXT_SIZE - 1);
	const int code = errno;
	if (fd >= 0)
		close(fd);
	if (size < 0 && code != ENOENT)
		return clog_error_set(err, -code, "%s: %s", path, strerror(code));
	text[size > 0 ? size : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '\0')
		memcpy(text, "-", 2);
	return 0;
}

static int is_member(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int write_member(FILE *out, int folder, const char *member, struct clog_error *err)
{
	static const char *const files[] = {"address", "role", "state", "match", "lag", "id"};
	char texts[6][TEXT_SIZE];
	for (size_t k = 0; k < 6; k++) {
		const int rc = read_text(folder, member, files[k], texts[k], err);
		if (rc != 0)
			return rc;
	}
	fprintf(out, MEMBERS_TEXT_FORMAT, member, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5]);
	return 0;
}

static int write_members(FILE *out, const char *path, struct clog_error *err)
{
	struct dirent **members = NULL;
	const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int count = folder < 0 ? -1 : scandirat(folder, ".", &members, is_member, alphasort);
	int rc = 0;
	if (count < 0)
		rc = clog_error_set(err, -errno, "%s: %s: is the log mounted there (--mount DIR)?", path,
		                    strerror(errno));
	fprintf(out, MEMBERS_TEXT_FORMAT, "NAME", "ADDRESS", "ROLE", "STATE", "MATCH", "LAG", "ID");
	for (int i = 0; i < count; i++) {
		if (rc == 0)
			rc = write_member(out, folder, members[i]->d_name, err);
		free(members[i]);
	}
	free(members);
	if (folder >= 0)
		close(folder);
	return rc;
}

/* All of it or nothing. */
static int list(const struct words *words, struct clog_error *err)
{
	char path[PATH_MAX], *text = NULL;
	size_t size = 0;
	if (words->mount == NULL)
		return members_text_list(words->target, err);
	if (snprintf(path, sizeof path, "%s/cluster", words->mount) >= (int)sizeof path) {
		clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", words->mount);
		return CLOG_FAILED;
	}
	FILE *out = open_memstream(&text, &size);
	int rc = out == NULL ? clog_error_set(err, -ENOMEM, "no memory") : write_members(out, path, err);
	if (out != NULL && fclose(out) != 0 && rc == 0)
		rc = clog_error_set(err, -ENOMEM, "no memory");
	if (rc == 0 && (fwrite(text, 1, size, stdout) != size || fflush(stdout) != 0))
		rc = clog_error_set(err, -errno, "the list cannot be written: %s", strerror(errno));
	free(text);
	return rc == 0 ? CLOG_OK : CLOG_FAILED;
}

/* ---- Change ---- */

/* What an errno of the mount means for a change of the members. */
static int explain(int code, const char *member, const char *path, struct clog_error *err)
{
	const char *meaning = strerror(code);
	switch (code) {
	case ENOENT:
		meaning = "there is no such member, or the log is not mounted there (--mount DIR)";
		break;
	case EBUSY:
		meaning = "another change of the members is under way, or the cluster cannot be without this one";
		break;
	case EHOSTUNREACH:
		meaning = "no leader, or not the member, could be reached: nothing was changed";
		break;
	case ETIMEDOUT:
		meaning = "there was no answer in time: it may yet come about";
		break;
	case ENOSPC:
		meaning = "there are as many voters as there can be";
		break;
	case ENOTCONN:
	case ECONNABORTED:
		meaning = "the clogd that was mounted there is gone";
		break;
	default:
		break;
	}
	clog_error_set(err, -code, "%s (%s): %s", member, path, meaning);
	return CLOG_FAILED;
}

static int remove_member(const struct words *words, const char *member, struct clog_error *err)
{
	char path[PATH_MAX];
	if (words->mount == NULL)
		return members_text_change(words->target, member, NULL, err);
	if (path_of(path, words->mount, member, "", err) != 0)
		return CLOG_USAGE;
	return rmdir(path) == 0 ? CLOG_OK : explain(errno, member, path, err);
}

static int write_role(const struct words *words, const char *member, const char *role, struct clog_error *err)
{
	char path[PATH_MAX];
	if (words->mount == NULL)
		return members_text_change(words->target, member, role, err);
	if (path_of(path, words->mount, member, "/role", err) != 0)
		return CLOG_USAGE;
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return explain(errno, member, path, err);
	const ssize_t size = write(fd, role, strlen(role));
	const int code = errno;
	close(fd);
	return size >= 0 ? CLOG_OK : explain(code, member, path, err);
}

static bool is_role(const char *role)
{
	return strcmp(role, "voter") == 0 || strcmp(role, "standby") == 0 || strcmp(role, "spare") == 0;
}

int clog_member(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	struct words words;
	const int status = take_words(&words, target, argc, argv, err);
	if (status != CLOG_OK)
		return status;
	const char *const command = words.count > 0 ? words.others[0] : "";
	if (strcmp(command, "list") == 0 && words.count == 1)
		return list(&words, err);
	if (strcmp(command, "remove") == 0 && words.count == 2)
		return remove_member(&words, words.others[1], err);
	if (strcmp(command, "role") == 0 && words.count == 3) {
		if (!is_role(words.others[2]))
			return clog_refuse(err, "a role is voter, standby or spare");
		return write_role(&words, words.others[1], words.others[2], err);
	}
	return clog_refuse(err, "clog member takes list, remove NAME, or role NAME ROLE");
}

int clog_transfer(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	struct words words;
	const int status = take_words(&words, target, argc, argv, err);
	if (status != CLOG_OK)
		return status;
	if (words.count != 1)
		return clog_refuse(err, "clog transfer takes the name of a member");
	return write_role(&words, words.others[0], "leader", err);
}
