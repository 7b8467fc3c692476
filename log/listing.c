#include "log/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_DIGITS 20u

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name), size = strlen(suffix);
	return length >= size && strcmp(name + length - size, suffix) == 0;
}

/* Reads the number of a name "<20 digits><suffix>". */
static bool parse_name(const char *name, const char *suffix, uint64_t *first_entry)
{
	if (strlen(name) != NAME_DIGITS + strlen(suffix) || !ends_with(name, suffix) ||
	    strspn(name, "0123456789") != NAME_DIGITS)
		return false;
	errno = 0;
	*first_entry = strtoull(name, NULL, 10);
	return errno == 0 && *first_entry > 0;
}

/* Whether the name is one that the log gives a file while it makes it. */
static bool is_leftover(const char *name)
{
	uint64_t first_entry;
	return strcmp(name, LOG_PREPARED LOG_SUFFIX_NEW) == 0 || strcmp(name, LOG_BASE LOG_SUFFIX_NEW) == 0 ||
	       strcmp(name, LOG_INSTALL_INDEX LOG_SUFFIX_NEW) == 0 ||
	       parse_name(name, LOG_SUFFIX_STORE LOG_SUFFIX_NEW, &first_entry) ||
	       parse_name(name, LOG_SUFFIX_INDEX LOG_SUFFIX_NEW, &first_entry);
}

/* Names that are not the log's are left alone. */
static int list_name(const char *name, void *arg)
{
	struct listing *listing = arg;
	uint64_t first_entry;
	if (is_leftover(name)) {
		if (log_reserve((void **)&listing->leftovers, &listing->leftover_capacity, listing->leftover_count,
		                sizeof *listing->leftovers) != 0)
			return -ENOMEM;
		char *copy = strdup(name);
		if (copy == NULL)
			return -ENOMEM;
		listing->leftovers[listing->leftover_count++] = copy;
	} else if (strcmp(name, LOG_PREPARED) == 0) {
		listing->prepared = true;
	} else if (strcmp(name, LOG_INSTALL_STORE) == 0) {
		listing->install_store = true;
	} else if (strcmp(name, LOG_INSTALL_INDEX) == 0) {
		listing->install_index = true;
	} else if (parse_name(name, LOG_SUFFIX_STORE, &first_entry)) {
		if (log_reserve((void **)&listing->first_entries, &listing->capacity, listing->count,
		                sizeof *listing->first_entries) != 0)
			return -ENOMEM;
		listing->first_entries[listing->count++] = first_entry;
	} else if (parse_name(name, LOG_SUFFIX_INDEX, &first_entry)) {
		if (log_reserve((void **)&listing->indexes, &listing->index_capacity, listing->index_count,
		                sizeof *listing->indexes) != 0)
			return -ENOMEM;
		listing->indexes[listing->index_count++] = first_entry;
	} else if (ends_with(name, LOG_SUFFIX_STORE) || ends_with(name, LOG_SUFFIX_INDEX)) {
		return clog_error_set(listing->err, -EINVAL, "%s/%s: not the name of a segment's file", listing->path,
		                      name);
	}
	return 0;
}

int log_listing_read(struct listing *listing, struct log_disk *disk, const char *path, struct clog_error *err)
{
	*listing = (struct listing){.err = err, .path = path};
	return disk->list(disk, path, list_name, listing);
}

int listing_set(struct listing *listing, uint64_t store, uint64_t index)
{
	int rc = log_reserve((void **)&listing->first_entries, &listing->capacity, 0, sizeof *listing->first_entries);
	if (rc == 0)
		rc = log_reserve((void **)&listing->indexes, &listing->index_capacity, 0, sizeof *listing->indexes);
	if (rc != 0)
		return rc;
	listing->first_entries[0] = store;
	listing->indexes[0] = index;
	listing->count = listing->index_count = 1;
	listing->install_store = listing->install_index = false;
	return 0;
}

void log_listing_finish(struct listing *listing)
{
	for (size_t i = 0; i < listing->leftover_count; i++)
		free(listing->leftovers[i]);
	free(listing->leftovers);
	free(listing->first_entries);
	free(listing->indexes);
}
