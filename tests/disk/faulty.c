#include "tests/disk/faulty.h"

#include <pthread.h>
#include <stdlib.h>

struct faulty_disk {
	struct log_disk door; /* first: the door's calls cast it back */
	struct log_disk *inner;
	pthread_mutex_t mutex;
	unsigned calls, nth, count;
	int error;
	enum faulty_way way;
	bool fired;
	enum faulty_call failed;
};

static struct log_disk *inner_of(struct log_disk *door)
{
	return ((struct faulty_disk *)door)->inner;
}

/* Counts a call; returns the error that it must answer, or 0. */
static int strike(struct log_disk *door, enum faulty_call call)
{
	struct faulty_disk *disk = (struct faulty_disk *)door;
	int rc = 0;

	pthread_mutex_lock(&disk->mutex);
	if (disk->calls & call) {
		disk->count++;
		if (disk->nth != 0 && (disk->count == disk->nth || (disk->way == FAULTY_ONWARD && disk->fired))) {
			disk->failed = disk->fired ? disk->failed : call;
			disk->fired = true;
			rc = disk->error;
		}
	}
	pthread_mutex_unlock(&disk->mutex);
	return rc;
}

static enum faulty_way way_of(struct log_disk *door)
{
	return ((struct faulty_disk *)door)->way;
}

static int faulty_open(struct log_disk *door, const char *path, int flags)
{
	int rc = strike(door, FAULTY_OPEN);

	return rc != 0 ? rc : inner_of(door)->open(inner_of(door), path, flags);
}

static void faulty_close(struct log_disk *door, int handle)
{
	inner_of(door)->close(inner_of(door), handle);
}

static ssize_t faulty_read(struct log_disk *door, int handle, void *data, size_t size, uint64_t position, bool wait)
{
	int rc = strike(door, FAULTY_READ);

	if (rc != 0 && way_of(door) == FAULTY_SHORTLY && !wait && size > 1)
		size /= 2;
	else if (rc != 0)
		return rc;
	return inner_of(door)->read(inner_of(door), handle, data, size, position, wait);
}

static int faulty_write(struct log_disk *door, int handle, const void *data, size_t size, uint64_t position)
{
	int rc = strike(door, FAULTY_WRITE);

	if (rc != 0 && way_of(door) == FAULTY_PARTLY)
		inner_of(door)->write(inner_of(door), handle, data, size / 2, position);
	return rc != 0 ? rc : inner_of(door)->write(inner_of(door), handle, data, size, position);
}

static int faulty_sync(struct log_disk *door, int handle)
{
	int rc = strike(door, FAULTY_SYNC);

	return rc != 0 ? rc : inner_of(door)->sync(inner_of(door), handle);
}

static int faulty_size(struct log_disk *door, int handle, uint64_t *size)
{
	int rc = strike(door, FAULTY_SIZE);

	return rc != 0 ? rc : inner_of(door)->size(inner_of(door), handle, size);
}

static int faulty_rename(struct log_disk *door, const char *from, const char *to)
{
	int rc = strike(door, FAULTY_RENAME);

	return rc != 0 ? rc : inner_of(door)->rename(inner_of(door), from, to);
}

static int faulty_remove(struct log_disk *door, const char *path)
{
	int rc = strike(door, FAULTY_REMOVE);

	return rc != 0 ? rc : inner_of(door)->remove(inner_of(door), path);
}

static int faulty_make_folder(struct log_disk *door, const char *path)
{
	int rc = strike(door, FAULTY_MAKE_FOLDER);

	return rc != 0 ? rc : inner_of(door)->make_folder(inner_of(door), path);
}

static int faulty_sync_folder(struct log_disk *door, const char *path)
{
	int rc = strike(door, FAULTY_SYNC_FOLDER);

	return rc != 0 ? rc : inner_of(door)->sync_folder(inner_of(door), path);
}

struct first_name {
	int (*cb)(const char *name, void *arg);
	void *arg;
	int error;
};

static int give_first(const char *name, void *arg)
{
	struct first_name *first = arg;
	int rc = first->cb(name, first->arg);

	return rc != 0 ? rc : first->error;
}

static int faulty_list(struct log_disk *door, const char *path, int (*cb)(const char *name, void *arg), void *arg)
{
	struct first_name first = {.cb = cb, .arg = arg};
	int rc = strike(door, FAULTY_LIST);

	if (rc == 0)
		return inner_of(door)->list(inner_of(door), path, cb, arg);
	first.error = rc;
	if (way_of(door) == FAULTY_PARTLY)
		rc = inner_of(door)->list(inner_of(door), path, give_first, &first);
	return rc != 0 ? rc : first.error;
}

static int faulty_lock(struct log_disk *door, int handle)
{
	int rc = strike(door, FAULTY_LOCK);

	return rc != 0 ? rc : inner_of(door)->lock(inner_of(door), handle);
}

struct faulty_disk *faulty_disk_create(struct log_disk *inner)
{
	static const struct log_disk calls = {
		.open = faulty_open,
		.close = faulty_close,
		.read = faulty_read,
		.write = faulty_write,
		.sync = faulty_sync,
		.size = faulty_size,
		.rename = faulty_rename,
		.remove = faulty_remove,
		.make_folder = faulty_make_folder,
		.sync_folder = faulty_sync_folder,
		.list = faulty_list,
		.lock = faulty_lock,
	};
	struct faulty_disk *disk = calloc(1, sizeof *disk);

	if (disk == NULL)
		abort();
	disk->door = calls;
	disk->inner = inner;
	pthread_mutex_init(&disk->mutex, NULL);
	return disk;
}

void faulty_disk_destroy(struct faulty_disk *disk)
{
	if (disk == NULL)
		return;
	pthread_mutex_destroy(&disk->mutex);
	free(disk);
}

struct log_disk *faulty_disk_door(struct faulty_disk *disk)
{
	return &disk->door;
}

void faulty_disk_fail(struct faulty_disk *disk, unsigned calls, unsigned nth, int error, enum faulty_way way)
{
	disk->calls = calls;
	disk->nth = nth;
	disk->error = error;
	disk->way = way;
	disk->count = 0;
	disk->fired = false;
}

bool faulty_disk_fired(const struct faulty_disk *disk)
{
	return disk->fired;
}

enum faulty_call faulty_disk_failed_call(const struct faulty_disk *disk)
{
	return disk->failed;
}

unsigned faulty_disk_count(const struct faulty_disk *disk)
{
	return disk->count;
}
