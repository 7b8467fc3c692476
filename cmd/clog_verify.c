/* Members' logs compared with each other, and each with its own checksums. */
#include "cmd/clog.h"

#include "cmd/digest.h"
#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX 16 /* as many as a cluster has members */

struct source {
	const char *name;
	struct digest digest;
};

static bool tell_damage(const struct source *source)
{
	const struct digest *const digest = &source->digest;
	if (digest->damage > 0)
		printf("%s: %" PRIu64 " stretches are damaged\n", source->name, digest->damage);
	for (size_t i = 0; i < digest->count; i++)
		if (digest->ranges[i].damaged > 0)
			printf("%s: %" PRIu32 " of the records %" PRIu64 " to %" PRIu64 " are damaged\n", source->name,
			       digest->ranges[i].damaged, digest->ranges[i].first, digest->ranges[i].next - 1);
	return digest->damage > 0;
}

/* Compares record by record what both folders have. Returns how many differ. */
static uint64_t compare_records(const struct source *a, const struct source *b, uint64_t first, uint64_t next)
{
	uint64_t differ = 0;
	for (uint64_t offset = first; offset < next; offset++) {
		uint32_t one = 0, two = 0;
		const int left = digest_record(&a->digest, offset, &one);
		const int right = digest_record(&b->digest, offset, &two);
		if (left == right && one == two && (left == 0 || left == -EBADMSG))
			continue;
		printf("%s and %s differ in record %" PRIu64 "\n", a->name, b->name, offset);
		differ++;
	}
	return differ;
}

/* Compares what both have of one stretch of DIGEST_RANGE offsets. Adds to *compared, and returns whether it is the
 * same. */
static bool compare_range(const struct source *a, const struct digest_range *left, const struct source *b,
                          const struct digest_range *right, uint64_t *compared)
{
	const uint64_t first = left->first > right->first ? left->first : right->first;
	const uint64_t next = left->next < right->next ? left->next : right->next;
	if (first >= next)
		return true;
	const bool whole = left->first == right->first && left->next == right->next;
	const bool folders = a->digest.log != NULL && b->digest.log != NULL;
	if (!whole && !folders) {
		printf("%s and %s: records %" PRIu64 " to %" PRIu64 " were not compared: the range is not whole\n",
		       a->name, b->name, first, next - 1);
		return true;
	}
	*compared += next - first;
	if (whole && left->checksum == right->checksum && left->damaged == right->damaged)
		return true;
	if (folders)
		return compare_records(a, b, first, next) == 0;
	printf("%s and %s differ in records %" PRIu64 " to %" PRIu64 "\n", a->name, b->name, first, next - 1);
	return false;
}

static bool compare(const struct source *a, const struct source *b)
{
	bool same = true;
	uint64_t compared = 0;
	if (a->digest.cluster != b->digest.cluster && a->digest.cluster != 0 && b->digest.cluster != 0) {
		printf("%s and %s are of two clusters, %" PRIu64 " and %" PRIu64 ": they were not compared\n", a->name,
		       b->name, a->digest.cluster, b->digest.cluster);
		return false;
	}
	for (size_t i = 0, j = 0; i < a->digest.count && j < b->digest.count;) {
		const struct digest_range *const left = &a->digest.ranges[i], *const right = &b->digest.ranges[j];
		const uint64_t one = left->first / DIGEST_RANGE, two = right->first / DIGEST_RANGE;
		if (one == two && !compare_range(a, left, b, right, &compared))
			same = false;
		i += one <= two;
		j += two <= one;
	}
	printf("%s and %s: %" PRIu64 " records compared, %s\n", a->name, b->name, compared,
	       same ? "the same" : "not the same");
	return same;
}

static int compare_all(struct source *sources, int count, struct clog_error *err)
{
	bool same = true;
	for (int i = 0; i < count; i++) {
		if (digest_open(&sources[i].digest, sources[i].name, err) < 0)
			return CLOG_FAILED;
		if (tell_damage(&sources[i]))
			same = false;
	}
	for (int i = 1; i < count; i++)
		if (!compare(&sources[0], &sources[i]))
			same = false;
	return same ? CLOG_OK : CLOG_FAILED;
}

static int print_digest(struct source *source, struct clog_error *err)
{
	if (digest_open(&source->digest, source->name, err) < 0)
		return CLOG_FAILED;
	digest_print(&source->digest, stdout);
	return source->digest.damage == 0 ? CLOG_OK : CLOG_FAILED;
}

int clog_verify(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	(void)target;
	enum { OPTION_DIGEST = 256 };
	static const struct option options[] = {{"digest", no_argument, NULL, OPTION_DIGEST}, {NULL, 0, NULL, 0}};
	struct source sources[SOURCES_MAX] = {0};
	bool digest = false;
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
		if (found != OPTION_DIGEST)
			return clog_refuse_option(found, argv, err);
		digest = true;
	}
	const int count = argc - optind;
	if (digest ? count != 1 : count < 2 || count > SOURCES_MAX)
		return clog_refuse(err, "clog verify takes 2 to %d sources, or --digest and one", SOURCES_MAX);
	for (int i = 0; i < count; i++)
		sources[i].name = argv[optind + i];
	int status = digest ? print_digest(&sources[0], err) : compare_all(sources, count, err);
	if ((fflush(stdout) != 0 || ferror(stdout)) && err->text[0] == '\0') {
		clog_error_set(err, -errno, "it cannot be printed: %s", strerror(errno));
		status = CLOG_FAILED;
	}
	for (int i = 0; i < count; i++)
		digest_close(&sources[i].digest);
	return status;
}
