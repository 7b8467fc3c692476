#include "cmd/folders.h"

#include "error/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cuts the last name of a path off, with the slashes after it but not those before. */
static size_t cut_name(char *path, size_t size)
{
	while (size > 0 && path[size - 1] == '/')
		size--;
	while (size > 0 && path[size - 1] != '/')
		size--;
	path[size] = '\0';
	return size;
}

/* The folder's true path, which the caller frees. Of what is not there, the names in the true path of the deepest
 * folder that is. NULL, with errno, when it cannot be told. */
static char *resolve(const char *path)
{
	char *const there = strdup(path);
	if (there == NULL)
		return NULL;
	size_t size = strlen(there);
	char *true_path = realpath(there, NULL);
	while (true_path == NULL && errno != ENOMEM && size > 0) {
		size = cut_name(there, size);
		true_path = realpath(size > 0 ? there : ".", NULL);
	}
	free(there);
	if (true_path == NULL)
		return NULL;
	char *resolved;
	if (asprintf(&resolved, "%s/%s", true_path, path + size) < 0)
		resolved = NULL;
	free(true_path);
	return resolved;
}

/* Makes a resolved path comparable: one slash between names, none at the end. */
static void squeeze(char *path)
{
	char *end = path;
	for (const char *from = path; *from != '\0'; from++)
		if (*from != '/' || (from[1] != '/' && from[1] != '\0'))
			*end++ = *from;
	*end = '\0';
}

/* Whether the squeezed path is the folder's or of something in it. The root is the empty one. */
static bool is_within(const char *path, const char *folder)
{
	const size_t size = strlen(folder);
	return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static int compare(const char *data, char *data_path, const char *mount, char *mount_path, struct clog_error *err)
{
	squeeze(data_path);
	squeeze(mount_path);
	if (strcmp(data_path, mount_path) == 0)
		return clog_error_set(err, -EINVAL, "%s: the data and the mount need a folder each", mount);
	if (is_within(mount_path, data_path))
		return clog_error_set(err, -EINVAL, "%s: the mount cannot be in the data folder, %s", mount, data);
	if (is_within(data_path, mount_path))
		return clog_error_set(err, -EINVAL, "%s: the data folder cannot be under the mount, %s", data, mount);
	return 0;
}

static int compare_mounts(const char *mount, char *mount_path, const char *other, char *other_path,
                          struct clog_error *err)
{
	squeeze(mount_path);
	squeeze(other_path);
	if (is_within(mount_path, other_path) || is_within(other_path, mount_path))
		return clog_error_set(err, -EINVAL, "%s and %s: two mounts need a folder each, neither in the other",
		                      mount, other);
	return 0;
}

static int check(const char *one, const char *other,
                 int (*compare_paths)(const char *one, char *one_path, const char *other, char *other_path,
                                      struct clog_error *err),
                 struct clog_error *err)
{
	char *other_path = NULL;
	char *const one_path = resolve(one);
	if (one_path != NULL)
		other_path = resolve(other);
	int status;
	if (other_path != NULL)
		status = compare_paths(one, one_path, other, other_path, err);
	else
		status = clog_error_set(err, -errno, "%s: %s", one_path == NULL ? one : other, strerror(errno));
	free(other_path);
	free(one_path);
	return status;
}

int folders_check(const char *data, const char *mount, struct clog_error *err)
{
	return check(data, mount, compare, err);
}

int folders_check_mounts(const char *mount, const char *other, struct clog_error *err)
{
	return check(mount, other, compare_mounts, err);
}

int folders_check_all(const char *data, const char *const *mounts, size_t count, struct clog_error *err)
{
	int status = 0;
	for (size_t i = 0; i < count && status == 0; i++) {
		status = folders_check(data, mounts[i], err);
		for (size_t other = 0; other < i && status == 0; other++)
			status = folders_check_mounts(mounts[other], mounts[i], err);
	}
	return status;
}
