#include "cluster/identity.h"

#include "error/error.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The values as they are in the cells: little-endian, no gaps. */
struct identity_value {
	uint64_t id;
	char name[SERVICE_NAME_SIZE];
	char cluster[SERVICE_NAME_SIZE];
};

struct vote_value {
	uint64_t term;
	uint64_t vote;
	uint64_t has_log;
};

bool identity_name_ok(const char *name)
{
	size_t length = strlen(name);
	return length > 0 && length < SERVICE_NAME_SIZE && name[0] != '.' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

static int path_of(char path[PATH_MAX], const char *data, const char *name, struct clog_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", data, name) < PATH_MAX)
		return 0;
	return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", data);
}

int identity_load(struct identity *identity, struct log_disk *disk, const char *data, struct clog_error *err)
{
	char path[PATH_MAX];
	struct log_cell cell = {0};
	struct identity_value value;
	int rc = path_of(path, data, "identity", err);
	if (rc == 0)
		rc = log_cell_load(disk, path, &cell, &value, sizeof value, err);
	if (rc != 0)
		return rc;
	identity->id = le64toh(value.id);
	bool ended = value.name[SERVICE_NAME_SIZE - 1] == '\0' && value.cluster[SERVICE_NAME_SIZE - 1] == '\0';
	if (!ended || !identity_name_ok(value.name) || !identity_name_ok(value.cluster) || identity->id == 0 ||
	    identity->id >> 48 != 0)
		return clog_error_set(err, -EBADMSG, "%s: corrupt: it names no member", path);
	memcpy(identity->name, value.name, sizeof value.name);
	memcpy(identity->cluster, value.cluster, sizeof value.cluster);
	return 0;
}

int identity_save(const struct identity *identity, struct log_disk *disk, const char *data, struct clog_error *err)
{
	char path[PATH_MAX];
	struct log_cell cell = {0};
	struct identity_value value = {.id = htole64(identity->id)};
	memcpy(value.name, identity->name, sizeof value.name);
	memcpy(value.cluster, identity->cluster, sizeof value.cluster);
	int rc = path_of(path, data, "identity", err);
	return rc == 0 ? log_cell_save(disk, data, path, &cell, &value, sizeof value, err) : rc;
}

int vote_load(struct vote *vote, struct log_disk *disk, const char *data, struct clog_error *err)
{
	char path[PATH_MAX];
	struct vote_value value;
	int rc = path_of(path, data, "vote", err);
	if (rc == 0)
		rc = log_cell_load(disk, path, &vote->cell, &value, sizeof value, err);
	if (rc != 0)
		return rc;
	vote->term = le64toh(value.term);
	vote->vote = le64toh(value.vote);
	vote->has_log = value.has_log != 0;
	return 0;
}

int vote_save(struct vote *vote, struct log_disk *disk, const char *data, struct clog_error *err)
{
	char path[PATH_MAX];
	struct vote_value value = {
		.term = htole64(vote->term), .vote = htole64(vote->vote), .has_log = htole64(vote->has_log)};
	int rc = path_of(path, data, "vote", err);
	return rc == 0 ? log_cell_save(disk, data, path, &vote->cell, &value, sizeof value, err) : rc;
}
