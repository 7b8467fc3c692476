/* What the log library does, beside what the same disk and machine can do: a plain write and fdatasync of the same
 * bytes over a file of zeros, and memcpy. Each pair is measured in turns, so that both meet the same noise.
 *
 * bench_log FOLDER [--large]     FOLDER is made, and emptied at the end; --large also opens 100 million records
 * */
#include "log/log.h"
#include "error/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TURNS 9
#define RANDOM_TURNS 300
#define RANDOM_READS 5000
#define SCAN_BYTES (256u << 20)

static struct clog_error err;
static const char *folder;

static void check(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "bench_log: %s: %s\n", what, err.text[0] != '\0' ? err.text : strerror(rc < 0 ? -rc : errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A log in a folder of that name; emptied at the start. */
static void remove_log(const char *path)
{
	DIR *names = opendir(path);
	char file[4096];
	for (struct dirent *name; names != NULL && (name = readdir(names)) != NULL;)
		if (name->d_name[0] != '.' &&
		    snprintf(file, sizeof file, "%s/%s", path, name->d_name) < (int)sizeof file)
			unlink(file);
	if (names != NULL)
		closedir(names);
	rmdir(path);
}

static struct log *open_log(const char *path)
{
	struct log_options options = {.disk = log_disk_posix(), .path = path};
	struct log *log;
	check(log_open(&log, &options, &err), "open");
	return log;
}

static void chores(struct log *log)
{
	struct log_job *job;
	while (log_chore_begin(log, &job) == 0 && job != NULL) {
		log_job_run(job);
		check(log_job_end(log, job, &err), "chore");
	}
}

/* Makes a frame of count records of that size, the next one of the log. */
static struct log_frame *make(struct log *log, uint32_t count, uint32_t size)
{
	static char record[LOG_RECORD_SIZE_MAX];
	struct log_frame *frame;
	struct log_tail tail;
	struct log_header header = {.term = 1, .type = LOG_RECORDS};
	check(log_frame_create(&frame), "frame");
	for (uint32_t i = 0; i < count; i++)
		check(log_frame_add(frame, record, size), "add");
	log_tail(log, &tail);
	log_frame_close(frame, &tail, &header);
	return frame;
}

static void append(struct log *log, struct log_frame *frame)
{
	check(log_append(log, frame, &err), "append");
	log_frame_unref(frame);
}

/* ---- Append ---- */

struct plain {
	int file;
	off_t position;
	char *bytes;
};

static void plain_open(struct plain *plain, size_t frame_size)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/plain", folder);
	plain->file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	check(plain->file < 0, path);
	plain->bytes = calloc(1, frame_size > LOG_FRAME_SIZE_MAX ? frame_size : LOG_FRAME_SIZE_MAX);
	for (off_t at = 0; at < LOG_SEGMENT_SIZE_DEFAULT; at += 1 << 20)
		check(pwrite(plain->file, plain->bytes, 1 << 20, at) != 1 << 20, path);
	check(fsync(plain->file), path);
	plain->position = 0;
}

static void plain_close(struct plain *plain)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/plain", folder);
	close(plain->file);
	unlink(path);
	free(plain->bytes);
}

static void plain_write(struct plain *plain, size_t size)
{
	if (plain->position + (off_t)size > LOG_SEGMENT_SIZE_DEFAULT)
		plain->position = 0;
	check(pwrite(plain->file, plain->bytes, size, plain->position) != (ssize_t)size, "plain write");
	check(fdatasync(plain->file), "plain fdatasync");
	plain->position += (off_t)size;
}

static void bench_append(uint32_t count)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/log", folder);
	struct log *log = open_log(path);
	struct plain plain;
	double made_s = 0, log_s = 0, plain_s = 0;
	uint64_t rounds = count >= 10000 ? 100 : 2000;
	chores(log);
	struct log_frame *frame = make(log, count, 100);
	size_t size = log_frame_size(frame);
	append(log, frame);
	check(log_sync(log, &err), "sync");
	plain_open(&plain, size);
	for (uint64_t i = 0; i < rounds; i++) {
		double begin = now();
		frame = make(log, count, 100);
		double made = now();
		append(log, frame);
		check(log_sync(log, &err), "sync");
		double synced = now();
		plain_write(&plain, size);
		double plainly = now();
		made_s += made - begin;
		log_s += synced - made;
		plain_s += plainly - synced;
		chores(log);
	}
	printf("append of %5u records of 100 B and sync: %6.1f us; plain write and sync %6.1f us: ratio %.2f (making "
	       "the frame: %.1f us)\n",
	       count, log_s / (double)rounds * 1e6, plain_s / (double)rounds * 1e6, plain_s / log_s,
	       made_s / (double)rounds * 1e6);
	plain_close(&plain);
	log_close(log);
	remove_log(path);
}

/* ---- Read ---- */

static uint64_t fill(struct log *log, uint32_t size)
{
	uint32_t count = 1000000 / (size + 8);
	for (uint64_t bytes = 0; bytes < SCAN_BYTES; bytes += (uint64_t)count * size) {
		append(log, make(log, count, size));
		check(log_sync(log, &err), "sync");
		chores(log);
	}
	struct log_tail tail;
	log_tail(log, &tail);
	return tail.stream_size;
}

/* The read is kept from scan to scan, as a reader that goes on keeps it. */
static double scan(struct log *log, struct log_read *read, uint64_t size)
{
	double begin = now();
	for (read->position = 0; read->position < size; read->position += read->data_size) {
		check(log_read_begin(log, read), "read");
		log_read_run(read, true);
		check(log_read_end(log, read), "read");
	}
	return now() - begin;
}

/* The same bytes, from memory that is not in the processor's cache (it is larger, as the stores in the page cache are) to
 * where a reader would want them: a piece of the size of an answer, the same one again and again. */
static double copy(uint64_t size)
{
	static char *from, *to;
	if (from == NULL) {
		from = aligned_alloc(4096, SCAN_BYTES);
		to = aligned_alloc(4096, LOG_READ_SIZE_MAX);
		check(from == NULL || to == NULL, "memory");
		memset(from, 1, SCAN_BYTES);
		memset(to, 1, LOG_READ_SIZE_MAX);
	}
	double begin = now();
	for (uint64_t at = 0; at + LOG_READ_SIZE_MAX <= size; at += LOG_READ_SIZE_MAX) {
		memcpy(to, from + at % SCAN_BYTES, LOG_READ_SIZE_MAX);
		__asm__ volatile("" : : "r"(to) : "memory");
	}
	return now() - begin;
}

static double read_store(const char *path, uint64_t size, char *to)
{
	int file = open(path, O_RDONLY);
	check(file < 0, path);
	double begin = now();
	for (uint64_t at = 0; at < size; at += LOG_READ_SIZE_MAX)
		check(pread(file, to, LOG_READ_SIZE_MAX, (off_t)at) <= 0, path);
	double taken = now() - begin;
	close(file);
	return taken;
}

/* As many bytes out of the stores themselves, by the kernel, neither checked nor joined: what no reader of files that does
 * not map them can better. */
static double copy_stores(const char *path, uint64_t size)
{
	static char *to;
	char file[4096];
	struct stat stat_of;
	double taken = 0;
	if (to == NULL)
		to = aligned_alloc(4096, LOG_READ_SIZE_MAX);
	check(to == NULL, "memory");
	memset(to, 1, LOG_READ_SIZE_MAX);
	DIR *names = opendir(path);
	for (struct dirent *name; size > 0 && (name = readdir(names)) != NULL;) {
		if (name->d_name[0] < '0' || name->d_name[0] > '9' || strstr(name->d_name, ".store") == NULL ||
		    snprintf(file, sizeof file, "%s/%s", path, name->d_name) >= (int)sizeof file)
			continue;
		check(stat(file, &stat_of), file);
		uint64_t here = (uint64_t)stat_of.st_size < size ? (uint64_t)stat_of.st_size : size;
		taken += read_store(file, here, to);
		size -= here;
	}
	closedir(names);
	return taken;
}

/* Numbers that look random, the same ones each time. */
static uint64_t next_random(uint64_t *random)
{
	*random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
	return *random;
}

static double read_at_random(struct log *log, struct log_read *read, uint64_t records, uint64_t *random)
{
	double begin = now();
	for (unsigned i = 0; i < RANDOM_READS; i++) {
		read->offset = next_random(random) % records;
		check(log_read_begin(log, read), "read");
		log_read_run(read, true);
		check(log_read_end(log, read), "read");
	}
	return now() - begin;
}

/* A file of the size of the log's items, in the page cache. */
static int plain_items(uint64_t size)
{
	static char piece[1 << 20];
	char path[4096];
	snprintf(path, sizeof path, "%s/plain", folder);
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	check(file < 0, path);
	unlink(path);
	for (uint64_t at = 0; at < size; at += sizeof piece)
		check(pwrite(file, piece, sizeof piece, (off_t)at) != sizeof piece, path);
	check(fsync(file), path);
	return file;
}

/* As many bytes by a call of the kernel at the same places, if one knew them: neither looked for nor checked. */
static double pread_at_random(int file, uint64_t records, uint32_t item_size, uint64_t *random)
{
	static char to[LOG_RECORD_SIZE_MAX];
	double begin = now();
	for (unsigned i = 0; i < RANDOM_READS; i++) {
		off_t at = (off_t)(next_random(random) % records * item_size);
		check(pread(file, to, item_size, at) != (ssize_t)item_size, "plain read");
	}
	return now() - begin;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static uint64_t folder_bytes(const char *path)
{
	uint64_t bytes = 0;
	DIR *names = opendir(path);
	char file[4096];
	struct stat stat_of;
	for (struct dirent *name; names != NULL && (name = readdir(names)) != NULL;)
		if (name->d_name[0] != '.' && strncmp(name->d_name, "prepared", 8) != 0 &&
		    snprintf(file, sizeof file, "%s/%s", path, name->d_name) < (int)sizeof file &&
		    stat(file, &stat_of) == 0)
			bytes += (uint64_t)stat_of.st_size;
	closedir(names);
	return bytes;
}

static void bench_random(struct log *log, uint32_t size)
{
	const uint32_t item_size = size + 8;
	struct log_read read = {.kind = LOG_READ_RECORD};
	uint64_t random = 88172645463325252u, plain_random = random;
	double random_s = 1e9, plain_s = 1e9;
	struct log_tail tail;
	log_tail(log, &tail);
	int file = plain_items(tail.next_offset * item_size);
	for (int turn = 0; turn < RANDOM_TURNS; turn++) {
		random_s = least(random_s, read_at_random(log, &read, tail.next_offset, &random));
		plain_s = least(plain_s, pread_at_random(file, tail.next_offset, item_size, &plain_random));
	}
	close(file);
	log_read_finish(&read);
	printf("read of %4u B records at random, cached: %.2f million/s; plain pread at known places %.2f million/s: "
	       "ratio %.2f\n",
	       size, RANDOM_READS / random_s / 1e6, RANDOM_READS / plain_s / 1e6, plain_s / random_s);
}

static void bench_read(uint32_t size)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/log", folder);
	struct log *log = open_log(path);
	uint64_t bytes = fill(log, size);
	double scan_s = 1e9, copy_s = 1e9, stores_s = 1e9;
	struct log_read read = {.kind = LOG_READ_STREAM, .size = LOG_READ_SIZE_MAX};
	/* The least of the turns: what others on the machine take only adds. */
	for (int turn = 0; turn < TURNS; turn++) {
		scan_s = least(scan_s, scan(log, &read, bytes));
		copy_s = least(copy_s, copy(bytes));
		stores_s = least(stores_s, copy_stores(path, bytes));
	}
	log_read_finish(&read);
	double all = (double)bytes / 1e9;
	printf("stream of %4u B records, checked: %.2f GB/s; memcpy %.2f GB/s: ratio %.2f (the kernel's copy of the "
	       "stores alone: %.2f GB/s, ratio %.2f)\n",
	       size, all / scan_s, all / copy_s, copy_s / scan_s, all / stores_s, stores_s / scan_s);
	bench_random(log, size);
	struct log_tail tail;
	struct log_stat stat;
	log_tail(log, &tail);
	log_stat(log, &stat);
	/* What the last segment has not used yet is nobody's. */
	uint64_t disk = folder_bytes(path) - (LOG_SEGMENT_SIZE_DEFAULT - stat.bytes % LOG_SEGMENT_SIZE_DEFAULT);
	printf("overhead on disk of %4u B records in full batches: %.1f B a record\n", size,
	       ((double)disk - (double)bytes) / (double)tail.next_offset);
	log_close(log);
	remove_log(path);
}

/* ---- Open ---- */

static uint64_t anonymous_memory(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long kib = 0;
	while (status != NULL && fgets(line, sizeof line, status) != NULL)
		if (sscanf(line, "RssAnon: %lu", &kib) == 1)
			break;
	if (status != NULL)
		fclose(status);
	return (uint64_t)kib << 10;
}

static void bench_open(uint64_t records)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/log", folder);
	struct log *log = open_log(path);
	for (uint64_t i = 0; i < records; i += 100000) {
		append(log, make(log, 100000, 8));
		if (i % 1000000 == 0) {
			check(log_sync(log, &err), "sync");
			chores(log);
		}
	}
	check(log_sync(log, &err), "sync");
	chores(log);
	struct log_stat stat;
	log_stat(log, &stat);
	log_close(log);
	uint64_t before = anonymous_memory();
	double begin = now();
	log = open_log(path);
	double taken = now() - begin;
	uint64_t after = anonymous_memory();
	printf("open %" PRIu64 " million records in %u segments, %.1f GB: %.3f s, %.1f MB of memory\n",
	       records / 1000000, stat.segments, (double)stat.bytes / 1e9, taken,
	       after > before ? (double)(after - before) / 1e6 : 0.0);
	log_close(log);
	remove_log(path);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: bench_log FOLDER [--large]\n");
		return 2;
	}
	folder = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	check(mkdir(folder, 0700) != 0 && errno != EEXIST ? -errno : 0, folder);
	bench_append(1);
	bench_append(100);
	bench_append(10000);
	bench_read(100);
	bench_read(1024);
	bench_open(argc > 2 && strcmp(argv[2], "--large") == 0 ? 100000000 : 10000000);
	rmdir(folder);
	return 0;
}
