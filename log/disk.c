/* The operating system's files as a log_disk. */
#include "log/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

static int disk_open(struct log_disk *disk, const char *path, int flags)
{
	/* Reading must not make the kernel note when. It lets only the file's owner say so. */
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NOATIME, 0600);
	if (fd < 0 && errno == EPERM)
		fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

static void disk_close(struct log_disk *disk, int handle)
{
	close(handle);
}

/* A read that may wait takes the plainer call: it is a tenth faster where all is cached. */
static ssize_t read_once(int handle, void *data, size_t size, uint64_t position, bool wait)
{
	struct iovec piece = {.iov_base = data, .iov_len = size};
	return wait ? pread(handle, data, size, (off_t)position)
	            : preadv2(handle, &piece, 1, (off_t)position, RWF_NOWAIT);
}

static ssize_t disk_read(struct log_disk *disk, int handle, void *data, size_t size, uint64_t position, bool wait)
{
	size_t done = 0;
	while (done < size) {
		ssize_t count = read_once(handle, (char *)data + done, size - done, position + done, wait);
		if (count < 0 && errno == EINTR)
			continue;
		/* A filesystem that cannot promise not to block says EOPNOTSUPP. */
		if (count < 0 && !wait && (errno == EAGAIN || errno == EOPNOTSUPP))
			return done > 0 ? (ssize_t)done : -EAGAIN;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return (ssize_t)done;
}

static int disk_write(struct log_disk *disk, int handle, const void *data, size_t size, uint64_t position)
{
	size_t done = 0;
	while (done < size) {
		ssize_t count = pwrite(handle, (const char *)data + done, size - done, (off_t)(position + done));
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			return -ENOSPC;
		done += (size_t)count;
	}
	return 0;
}

/* A sync that was interrupted has not failed yet: the call is made again. Any other error is final. */
static int sync_handle(int fd, int (*sync)(int fd))
{
	int rc;
	do
		rc = sync(fd);
	while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : -errno;
}

static int disk_sync(struct log_disk *disk, int handle)
{
	return sync_handle(handle, fdatasync);
}

static int disk_size(struct log_disk *disk, int handle, uint64_t *size)
{
	struct stat stat;
	if (fstat(handle, &stat) != 0)
		return -errno;
	*size = (uint64_t)stat.st_size;
	return 0;
}

static int disk_rename(struct log_disk *disk, const char *from, const char *to)
{
	return rename(from, to) == 0 ? 0 : -errno;
}

static int disk_remove(struct log_disk *disk, const char *path)
{
	return unlink(path) == 0 ? 0 : -errno;
}

static int disk_make_folder(struct log_disk *disk, const char *path)
{
	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	struct stat stat_of;
	if (stat(path, &stat_of) != 0)
		return -errno;
	return S_ISDIR(stat_of.st_mode) ? 0 : -ENOTDIR;
}

static int disk_sync_folder(struct log_disk *disk, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = sync_handle(fd, fsync);
	close(fd);
	return rc;
}

static int disk_list(struct log_disk *disk, const char *path, int (*cb)(const char *name, void *arg), void *arg)
{
	DIR *folder = opendir(path);
	if (folder == NULL)
		return -errno;
	int rc = 0;
	while (rc == 0) {
		errno = 0;
		struct dirent *entry = readdir(folder);
		if (entry == NULL) {
			rc = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = cb(entry->d_name, arg);
	}
	closedir(folder);
	return rc;
}

static int disk_lock(struct log_disk *disk, int handle)
{
	if (flock(handle, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static int disk_space(struct log_disk *disk, const char *path, uint64_t *size)
{
	struct statvfs space;
	if (statvfs(path, &space) != 0)
		return -errno;
	*size = (uint64_t)space.f_bavail * space.f_frsize;
	return 0;
}

struct log_disk *log_disk_posix(void)
{
	static struct log_disk disk = {
		.open = disk_open,
		.close = disk_close,
		.read = disk_read,
		.write = disk_write,
		.sync = disk_sync,
		.size = disk_size,
		.rename = disk_rename,
		.remove = disk_remove,
		.make_folder = disk_make_folder,
		.sync_folder = disk_sync_folder,
		.list = disk_list,
		.lock = disk_lock,
		.space = disk_space,
	};
	return &disk;
}
