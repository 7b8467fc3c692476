#include "fs/folder.h"

#include "error/error.h"
#include "fs/mounts.h"
#include "observe/observe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEAD_MOUNTS_MAX 64 /* that are taken off one folder */
#define NAMES_SHOWN 3      /* of what is in a folder that is not empty */

static bool ours(const struct mount *mount)
{
	return strcmp(mount->type, "fuse.clog") == 0;
}

/* Takes off the dead mounts that an earlier clogd left. Anything else that is mounted there stays: -EBUSY. */
static int clear(const char *path, struct clog_error *err)
{
	struct mount mount;
	for (int i = 0; i < DEAD_MOUNTS_MAX; i++) {
		int rc = mounts_find(path, &mount);
		if (rc == -ENOENT)
			return 0;
		if (rc != 0)
			return clog_error_set(err, rc, "/proc/self/mountinfo: %s", strerror(-rc));
		/* Only ours is asked whether it lives: another's might not answer for long. */
		if (!ours(&mount) || !mounts_dead(path))
			return clog_error_set(err, -EBUSY, "%s: %s (%s) is mounted there", path, mount.source,
			                      mount.type);
		rc = mounts_take_off(path);
		if (rc != 0)
			return clog_error_set(err, rc, "%s: the dead mount of an earlier clogd cannot be taken off: %s",
			                      path, strerror(-rc));
		observe_event(OBSERVE_WARNING, "stale_mount_removed", OBSERVE_TEXT("folder", path));
	}
	return clog_error_set(err, -EBUSY, "%s: more than %d dead mounts are there", path, DEAD_MOUNTS_MAX);
}

/* Adds a name to a sentence, in quotes; what would disturb a terminal becomes a question mark. */
static void quote(FILE *sentence, const char *name)
{
	fputc('"', sentence);
	for (const char *c = name; *c != '\0'; c++)
		fputc((unsigned char)*c < ' ' || *c == 127 ? '?' : *c, sentence);
	fputc('"', sentence);
}

/* Reads the folder and says what is in it: `"a", "b", "c" and 4 more`. Returns how many names that are, or an error. */
static int contents(DIR *directory, char *text, size_t size)
{
	struct dirent *entry;
	int count = 0;
	FILE *sentence = fmemopen(text, size, "w");
	if (sentence == NULL)
		return -errno;
	rewinddir(directory);
	while (errno = 0, (entry = readdir(directory)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count > 0 && count < NAMES_SHOWN)
			fputs(", ", sentence);
		if (count++ < NAMES_SHOWN)
			quote(sentence, entry->d_name);
	}
	int rc = errno != 0 ? -errno : count;
	if (count > NAMES_SHOWN)
		fprintf(sentence, " and %d more", count - NAMES_SHOWN);
	fclose(sentence);
	return rc;
}

static int check_empty(const char *path, DIR *directory, struct clog_error *err)
{
	char names[(NAMES_SHOWN + 1) * 256];
	int count = contents(directory, names, sizeof names);
	if (count < 0)
		return clog_error_set(err, count, "%s: %s", path, strerror(-count));
	if (count > 0)
		return clog_error_set(err, -ENOTEMPTY, "%s: the folder is not empty, it has %s in it", path, names);
	return 0;
}

/* Makes a folder immutable, or lifts that. Gives in *changed whether it was the other way before. */
static int set_immutable(int fd, bool immutable, bool *changed)
{
	int flags;
	*changed = false;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return -errno;
	if (!(flags & FS_IMMUTABLE_FL) == !immutable)
		return 0;
	flags ^= FS_IMMUTABLE_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0)
		return -errno;
	*changed = true;
	return 0;
}

static int guard_folder(struct folder *folder, DIR *directory, struct clog_error *err)
{
	int rc = set_immutable(dirfd(directory), true, &folder->guarded);
	if (rc != 0) {
		observe_event(OBSERVE_WARNING, "mount_folder_not_guarded", OBSERVE_TEXT("folder", folder->path),
		              OBSERVE_TEXT("reason", strerror(-rc)));
		return 0;
	}
	/* Once more, for what came in between; nothing can from here on. */
	return check_empty(folder->path, directory, err);
}

static int inspect(struct folder *folder, enum fs_guard guard, struct clog_error *err)
{
	int rc = clear(folder->path, err);
	if (rc != 0)
		return rc;
	DIR *directory = opendir(folder->path);
	if (directory == NULL)
		return clog_error_set(err, -errno, "%s: %s", folder->path, strerror(errno));
	rc = check_empty(folder->path, directory, err);
	if (rc == 0 && guard == FS_GUARD_YES && !folder->made)
		rc = guard_folder(folder, directory, err);
	closedir(directory);
	return rc;
}

int folder_prepare(struct folder *folder, const char *path, enum fs_guard guard, struct clog_error *err)
{
	*folder = (struct folder){0};
	if (mkdir(path, 0755) == 0)
		folder->made = true;
	else if (errno != EEXIST)
		return clog_error_set(err, -errno, "%s: the folder cannot be made: %s", path, strerror(errno));
	folder->path = realpath(path, NULL);
	if (folder->path == NULL)
		return clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = inspect(folder, guard, err);
	if (rc != 0)
		folder_abandon(folder);
	return rc;
}

static void unguard(struct folder *folder)
{
	bool changed;
	int fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	set_immutable(fd, false, &changed);
	close(fd);
}

/* In a mount namespace of its own the thread takes the mount off and removes the folder: the kernel then takes the
 * mount off everywhere, in the same stroke. So there is no moment at which the folder is there and nothing is mounted
 * on it, in which an append would make a plain file. It needs to be root. */
static void *remove_mounted(void *path)
{
	bool apart = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	bool removed = apart && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 && rmdir(path) == 0;
	return removed ? path : NULL;
}

void folder_end(struct folder *folder)
{
	pthread_t thread;
	void *removed = NULL;
	if (!folder->made || pthread_create(&thread, NULL, remove_mounted, folder->path) != 0)
		return;
	pthread_join(thread, &removed);
	if (removed != NULL)
		folder->made = false;
}

static void forget(struct folder *folder)
{
	if (folder->made && rmdir(folder->path) != 0)
		observe_event(OBSERVE_WARNING, "mount_folder_not_removed", OBSERVE_TEXT("folder", folder->path),
		              OBSERVE_TEXT("reason", strerror(errno)));
	free(folder->path);
	*folder = (struct folder){0};
}

void folder_abandon(struct folder *folder)
{
	if (folder->guarded)
		unguard(folder);
	forget(folder);
}

bool folder_is_dead(const struct folder *folder)
{
	struct mount mount;
	return mounts_find(folder->path, &mount) == 0 && ours(&mount) && mounts_dead(folder->path);
}

void folder_finish(struct folder *folder)
{
	clear(folder->path, NULL);
	forget(folder);
}
