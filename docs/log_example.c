/* The log library alone, in a program of its own: appends two records, reads them back, trims one.
 *
 *   log_example FOLDER */
#include "error/error.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

/* Appends a batch of two records and returns when it is on disk. */
static int append(struct log *log, struct clog_error *err)
{
	struct log_frame *frame;
	struct log_tail tail;
	struct log_header header = {.term = 1, .type = LOG_RECORDS};
	int rc = log_frame_create(&frame);
	if (rc != 0)
		return clog_error_set(err, rc, "no memory");
	rc = log_frame_add(frame, "hello", strlen("hello"));
	if (rc == 0)
		rc = log_frame_add(frame, "world", strlen("world"));
	if (rc == 0) {
		log_tail(log, &tail);
		log_frame_close(frame, &tail, &header);
		rc = log_append(log, frame, err);
	}
	log_frame_unref(frame);
	/* Write and sync in this thread. A program with an event loop gives the job of log_write_begin to another. */
	return rc == 0 ? log_sync(log, err) : rc;
}

static int print(struct log *log, uint64_t offset)
{
	struct log_read read = {.kind = LOG_READ_RECORD, .offset = offset};
	int rc = log_read_begin(log, &read);
	if (rc != 0)
		return rc;
	log_read_run(&read, true);
	rc = log_read_end(log, &read);
	if (rc == 0)
		printf("%llu: %.*s\n", (unsigned long long)offset, (int)read.data_size, (const char *)read.data);
	log_read_finish(&read);
	return rc;
}

int main(int argc, char **argv)
{
	struct clog_error err = {0};
	struct log_options options = {.disk = log_disk_posix(), .path = argc > 1 ? argv[1] : "log"};
	struct log_tail tail;
	struct log_stat stat;
	struct log *log;
	int rc = log_open(&log, &options, &err);
	if (rc != 0)
		goto failed;
	rc = append(log, &err);
	if (rc != 0)
		goto close;
	log_tail(log, &tail);
	for (log_stat(log, &stat); rc == 0 && stat.first_offset < tail.next_offset; stat.first_offset++)
		rc = print(log, stat.first_offset);
	if (rc == 0)
		rc = log_trim(log, tail.next_offset - 1, &err);
close:
	log_close(log);
	if (rc == 0)
		return 0;
failed:
	fprintf(stderr, "log_example: %s\n", err.text[0] != '\0' ? err.text : strerror(-rc));
	return 1;
}
