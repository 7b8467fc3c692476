/* dump_log: takes a member's log apart for the checker.
 *
 *   dump_log LOG OUT
 *
 * reads the log in the folder LOG (a data folder's "log"), which nobody needs to have stopped, and writes
 *
 *   OUT.records  of each record, as 64-bit numbers: offset, entry, term, size
 *   OUT.bytes    the records' bytes, joined
 *   OUT.entries  of each entry, as 64-bit numbers: entry, term, type, checksum of its header
 *   OUT.about    "first_offset next_offset first_entry last_entry commit damaged" as text; commit is the highest entry
 *                that a frame says was committed, damaged the count of damaged stretches
 *
 * Every byte is checked on the way: what fails its checksum ends it with status 1. */
#include "error/error.h"
#include "log/log.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct log *source;

static void die(const char *what, int status)
{
	fprintf(stderr, "dump_log: %s: %s\n", what, strerror(-status));
	exit(EXIT_FAILURE);
}

static FILE *create(const char *out, const char *suffix)
{
	char path[4096];
	snprintf(path, sizeof path, "%s.%s", out, suffix);
	FILE *const file = fopen(path, "wbx");
	if (file == NULL)
		die(path, -errno);
	return file;
}

static void finish(FILE *file, const char *what)
{
	if (ferror(file) || fclose(file) != 0)
		die(what, -EIO);
}

static void put(FILE *file, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	const uint64_t row[] = {htole64(a), htole64(b), htole64(c), htole64(d)};
	fwrite(row, sizeof row, 1, file);
}

/* Reads once, and gives the status. */
static int fetch(struct log_read *read)
{
	const int status = log_read_begin(source, read);
	if (status < 0)
		return status;
	log_read_run(read, true);
	return log_read_end(source, read);
}

static void dump_records(const char *out, uint64_t first, uint64_t next)
{
	FILE *const rows = create(out, "records");
	FILE *const bytes = create(out, "bytes");
	struct log_read read = {.kind = LOG_READ_RANGE, .size = LOG_READ_SIZE_MAX};
	for (read.offset = first; read.offset < next;) {
		const int status = fetch(&read);
		if (status < 0)
			die("a record cannot be read", status);
		struct log_record record;
		const void *data;
		for (uint32_t position = 0; log_read_next(&read, &position, &record, &data);) {
			put(rows, record.offset, record.entry, record.term, record.size);
			fwrite(data, record.size, 1, bytes);
			read.offset = record.offset + 1;
		}
	}
	log_read_finish(&read);
	finish(rows, "records");
	finish(bytes, "bytes");
}

/* Returns the highest commit index in the frames. */
static uint64_t dump_entries(const char *out, uint64_t first, uint64_t last)
{
	FILE *const rows = create(out, "entries");
	struct log_read read = {.kind = LOG_READ_FRAMES, .size = LOG_READ_SIZE_MAX};
	uint64_t commit = 0;
	for (read.entry = first; read.entry <= last;) {
		const int status = fetch(&read);
		if (status < 0)
			die("an entry cannot be read", status);
		struct log_header header;
		for (uint32_t position = 0; position < read.data_size; position += header.size) {
			const char *const frame = (const char *)read.data + position;
			const int peeked = log_frame_peek(frame, read.data_size - position, &header);
			if (peeked < 0)
				die("an entry cannot be read", peeked);
			put(rows, header.entry, header.term, header.type, header.chain);
			commit = header.commit > commit ? header.commit : commit;
			read.entry = header.entry + 1;
		}
	}
	log_read_finish(&read);
	finish(rows, "entries");
	return commit;
}

/* Checks every byte of every segment. */
static void verify(uint64_t first)
{
	for (uint64_t entry = first; entry != 0;) {
		struct log_job *job = NULL;
		uint64_t next = 0;
		int status = log_verify_begin(source, entry, &job, &next);
		if (status == 0 && job != NULL) {
			log_job_run(job);
			status = log_job_end(source, job, NULL);
		}
		if (status < 0)
			die("a segment cannot be read", status);
		entry = next;
	}
}

int main(int argc, char *argv[])
{
	if (argc != 3) {
		fprintf(stderr, "usage: dump_log LOG OUT\n");
		return 2;
	}
	struct clog_error err = {0};
	const struct log_options options = {.disk = log_disk_posix(), .path = argv[1], .read_only = true};
	if (log_open(&source, &options, &err) < 0) {
		fprintf(stderr, "dump_log: %s\n", err.text);
		return EXIT_FAILURE;
	}
	struct log_tail tail;
	struct log_stat stat;
	log_tail(source, &tail);
	log_stat(source, &stat);
	verify(stat.first_entry);
	const struct log_damage *damage;
	const size_t damaged = log_damage(source, &damage);
	uint64_t commit = 0;
	if (damaged == 0) {
		dump_records(argv[2], stat.first_offset, tail.next_offset);
		commit = dump_entries(argv[2], stat.first_entry, tail.entry);
	}
	FILE *const about = create(argv[2], "about");
	fprintf(about, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu\n", stat.first_offset,
	        tail.next_offset, stat.first_entry, tail.entry, commit, damaged);
	finish(about, "about");
	log_close(source);
	return EXIT_SUCCESS;
}
