/* What is in the folder of a log, by the names of the files. */
#ifndef CLOG_LOG_LISTING_H
#define CLOG_LOG_LISTING_H

#include "log/state.h"

struct listing {
	uint64_t *first_entries; /* of the stores */
	size_t count, capacity;
	uint64_t *indexes; /* first entries of the indexes */
	size_t index_count, index_capacity;
	char **leftovers; /* files that were being made when the log's owner died */
	size_t leftover_count, leftover_capacity;
	bool prepared;
	bool install_store, install_index; /* a new beginning was under way: see install.h */
	struct clog_error *err;
	const char *path;
};

/* Reads the folder's names; log_listing_finish frees what it holds. -EINVAL for a name that looks like a segment's and is
 * none (the sentence is in err, which listing keeps), -ENOMEM, or the disk's error. */
int log_listing_read(struct listing *listing, struct log_disk *disk, const char *path, struct clog_error *err);
void log_listing_finish(struct listing *listing);
/* Makes it one of a single store and a single index. -ENOMEM. */
int listing_set(struct listing *listing, uint64_t store, uint64_t index);

#endif
