#include "fs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Undoes the escapes of the table: a blank is \040. */
static void unescape(char *field)
{
	char *to = field;
	for (const char *from = field; *from != '\0'; to++) {
		unsigned value;
		if (from[0] == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
			*to = (char)value;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* Reads a line of mountinfo: id, parent, device, root, mount point, options, tags..., "-", type, source, options. */
static bool parse(char *line, const char *path, struct mount *mount)
{
	char *rest = line, *field, *point = NULL;
	for (int i = 0; i < 5; i++)
		if ((point = strsep(&rest, " ")) == NULL)
			return false;
	unescape(point);
	if (strcmp(point, path) != 0)
		return false;
	while ((field = strsep(&rest, " ")) != NULL && strcmp(field, "-") != 0)
		;
	char *type = strsep(&rest, " "), *source = strsep(&rest, " ");
	if (type == NULL || source == NULL)
		return false;
	unescape(source);
	snprintf(mount->type, sizeof mount->type, "%s", type);
	snprintf(mount->source, sizeof mount->source, "%s", source);
	return true;
}

int mounts_find(const char *path, struct mount *mount)
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	if (table == NULL)
		return -errno;
	char *line = NULL;
	size_t capacity = 0;
	int rc = -ENOENT;
	while (getline(&line, &capacity, table) >= 0)
		if (parse(line, path, mount))
			rc = 0; /* a later one lies over an earlier one */
	if (ferror(table))
		rc = -EIO;
	free(line);
	fclose(table);
	return rc;
}

bool mounts_dead(const char *path)
{
	struct statx attr;
	/* Not stat: it may be answered from what the kernel remembers. */
	return statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &attr) != 0 &&
	       (errno == ENOTCONN || errno == ECONNABORTED);
}

static int ask_fusermount(const char *path)
{
	char program[] = "fusermount3", unmount[] = "-u", lazily[] = "-z", quietly[] = "-q", end[] = "--";
	char *const argv[] = {program, unmount, lazily, quietly, end, (char *)(uintptr_t)path, NULL};
	pid_t pid;
	int status, rc = posix_spawnp(&pid, program, NULL, NULL, argv, environ);
	if (rc != 0)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

int mounts_take_off(const char *path)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	int rc = -errno;
	return rc == -EPERM && geteuid() != 0 ? ask_fusermount(path) : rc;
}
