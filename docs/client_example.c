/* Appends records to a log over the network and reads them back.
 *
 *   cc client_example.c $(pkg-config --cflags --libs clog) -o client_example
 *   ./client_example HOST:PORT          a server: clogd --grpc HOST:PORT
 */
#include <clog.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int complain(const struct clog_log *log, const char *what, int error)
{
	fprintf(stderr, "%s: %s: %s%s\n", what, strerror(-error), clog_sentence(log),
	        clog_unknown(error) ? " (it may yet be found in the log)" : "");
	return 1;
}

static int write_and_read(struct clog_log *log)
{
	const struct clog_bytes batch[] = {{"two", 3}, {"three", 5}};
	uint64_t offset;
	struct clog_record record;
	int error = clog_append(log, "one", 3, &offset);
	if (error != 0)
		return complain(log, "append", error);
	error = clog_append_many(log, batch, 2, NULL);
	if (error != 0)
		return complain(log, "append of two", error);
	/* Somebody was faster: there is a record at that offset already. */
	if (clog_append_at(log, offset, "again", 5) != -EEXIST)
		return 1;
	for (int i = 0; i < 3; i++) {
		error = clog_next(log, &offset, 1000, &record);
		if (error != 0)
			return complain(log, "read", error);
		printf("%" PRIu64 ": %.*s\n", record.offset, (int)record.size, (const char *)record.data);
	}
	error = clog_next(log, &offset, 0, &record); /* nobody has appended more */
	return error == -EAGAIN ? 0 : complain(log, "read past the end", error);
}

int main(int argc, char *argv[])
{
	struct clog_log *log;
	char sentence[CLOG_SENTENCE_SIZE];
	const struct clog_options options = {.servers = argc > 1 ? argv[1] : "127.0.0.1:8400"};
	if (clog_open(&log, &options, sentence) != 0) {
		fprintf(stderr, "%s\n", sentence);
		return 1;
	}
	const int status = write_and_read(log);
	clog_close(log);
	return status;
}
