/* mender: mends the damage of a scene's log with frames of the same log unharmed. */
#ifndef CLOG_TESTS_LOG_MENDER_H
#define CLOG_TESTS_LOG_MENDER_H

#include "tests/log/scene.h"
#include "tests/log/script.h"

/* How damage comes to be known. */
enum found {
	FOUND_OPENING,   /* the index is gone too: the store is read */
	FOUND_VERIFYING, /* the index is there */
	FOUND_OPEN,      /* verified in a log that was open before the harm was done */
	FOUND_WAYS,
};

/* Verifies all segments. */
void mender_verify(struct log *log);
/* Harms a copy of the scene and opens its log, which then tells of the damage. NULL when there was nothing to harm. */
struct log *mender_harm(struct scene *scene, enum harm harm, uint64_t entry, enum found found);
/* The bytes of frames as the unharmed scene has them; the caller frees. */
unsigned char *mender_frames(const struct scene *whole, uint64_t first, uint64_t last, size_t *size);
/* Begins to mend a stretch with the right frames. */
struct log_job *mender_begin(const struct scene *whole, struct log *log, const struct log_damage *damage);
/* Mends all that the log tells of, from the first or the last on; after each, that one is not told of any more. Returns
 * how many there were. */
unsigned mender_mend(const struct scene *whole, struct log *log, bool backward);
/* Checks that the log has no damage and serves everything right. */
void mender_expect_whole(const struct scene *whole, struct log *log, const char *what, uint64_t entry);
/* Checks that the segments' files hold what those of the unharmed scene do. */
void mender_expect_files(const struct scene *whole, const struct memory_disk *memory);

#endif
