/* What a disk in memory is made of; private to it. */
#ifndef CLOG_TESTS_DISK_MEMORY_STATE_H
#define CLOG_TESTS_DISK_MEMORY_STATE_H

#include <pthread.h>

#include "tests/disk/memory.h"

/* A file: what programs see, and what a crash leaves for sure. Both buffers have room for `sectors` sectors and are
 * zeros past their sizes. Where a sector is not dirty, the two are equal. */
struct memory_file {
	unsigned char *data, *durable;
	bool *dirty;
	size_t size, durable_size;
	size_t sectors;
	int locked_by; /* a handle, -1 */
};

struct memory_name {
	char path[MEMORY_PATH_SIZE];
	int file; /* its place in the disk's files; MEMORY_FOLDER for a folder */
};
#define MEMORY_FOLDER (-1)

struct memory_names {
	struct memory_name *items;
	size_t count;
};

/* A change of names that is not durable yet. */
struct memory_change {
	enum memory_call call; /* CREATE, RENAME, REMOVE or MAKE_FOLDER */
	char from[MEMORY_PATH_SIZE];
	char to[MEMORY_PATH_SIZE]; /* of a rename */
	int file;
};

struct memory_handle {
	bool open, writable;
	int file;
	char path[MEMORY_PATH_SIZE]; /* as it was opened */
};

struct memory_disk {
	struct log_disk door; /* first: the door's calls cast it back */
	pthread_mutex_t mutex;
	struct memory_file **files; /* NULL where a file is gone */
	size_t file_count;
	struct memory_names names, durable_names;
	struct memory_change *changes; /* oldest first */
	size_t change_count;
	struct memory_handle *handles;
	size_t handle_count, next_handle;
	unsigned open_handles, most_handles;
	memory_watch_cb watch;
	void *watch_arg;
	const char *ignored_sync;
	size_t resident;
	unsigned resident_reads;
	uint64_t room;
};

/* realloc that ends the process instead of failing. */
void *memory_allocate(void *old, size_t size);

/* memory_file.c */
struct memory_file *memory_file_create(void);
void memory_file_destroy(struct memory_file *file);
struct memory_file *memory_file_clone(const struct memory_file *file);
void memory_file_write(struct memory_file *file, const void *data, size_t size, uint64_t position);
void memory_file_sync(struct memory_file *file);
size_t memory_file_dirty_sectors(const struct memory_file *file);
/* Gives each dirty sector its fate, in order; fates NULL means lost. What is left is durable. */
void memory_file_crash(struct memory_file *file, const unsigned char *fates);

/* memory_names.c */
struct memory_name *memory_names_find(const struct memory_names *names, const char *path);
void memory_names_put(struct memory_names *names, const char *path, int file);
void memory_names_remove(struct memory_names *names, const char *path);
void memory_names_copy(struct memory_names *names, const struct memory_names *from);
/* Applies a change; one whose file is not there (its making was lost) does nothing. */
void memory_names_apply(struct memory_names *names, const struct memory_change *change);
/* Copies the folder that a path is in; "." for a plain name. */
void memory_folder_of(const char *path, char folder[static MEMORY_PATH_SIZE]);

/* memory_folder.c */
/* Tells the watcher of a change to come, then takes the lock: the watcher may look at the disk and clone it. */
struct memory_disk *memory_begin(struct log_disk *door, enum memory_call call, const char *path);
/* Takes the lock. */
struct memory_disk *memory_look(struct log_disk *door);
/* Drops the lock and returns rc. */
int memory_end(struct memory_disk *disk, int rc);
/* Whether there is the folder, or the folder that a path is in. */
bool memory_folder_exists(const struct memory_disk *disk, const char *path);
bool memory_has_folder(const struct memory_disk *disk, const char *path);
/* Drops the files that nothing can reach any more. */
void memory_sweep(struct memory_disk *disk);
/* Does a change of names, now for the programs, and on the disk once its folder is synced. */
void memory_change(struct memory_disk *disk, enum memory_call call, const char *from, const char *to, int file);
int memory_rename(struct log_disk *door, const char *from, const char *to);
int memory_remove(struct log_disk *door, const char *path);
int memory_make_folder(struct log_disk *door, const char *path);
int memory_sync_folder(struct log_disk *door, const char *path);
int memory_list(struct log_disk *door, const char *path, int (*cb)(const char *name, void *arg), void *arg);

/* memory_meddle.c */
/* Whether a sync of the path is to be forgotten. */
bool memory_sync_is_ignored(const struct memory_disk *disk, const char *path);

#endif
