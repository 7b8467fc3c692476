/* drive: a program on clog's client, for tests of real members.
 *
 *     drive SERVERS TLS|- TOKEN|- DEADLINE_MS append PREFIX COUNT WINDOW
 *         appends the records PREFIX0, PREFIX1 and so on, WINDOW of them under way, and prints each with its status and offset;
 *         the last ones are those that are under way when its input ends
 *     drive ... read FIRST COUNT
 *         prints so many records
 *     drive ... stream POSITION SIZE
 *         gives so many bytes of the stream
 *     drive ... state
 *         prints the offset of the record to come, and the leader */
#include "client/client.h"
#include "error/error.h"
#include "service/service.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define WINDOW_MAX 4096u

struct drive;

struct one {
	struct drive *drive;
	struct service_append append;
	unsigned long number;
};

struct drive {
	uv_loop_t loop;
	struct client *client;
	struct service *service;
	char **words;
	unsigned long next, end, under_way, window;
	struct one *ones;
	struct one *idle[WINDOW_MAX];
	size_t idle_count;
	struct service_read read;
	uint64_t position;
	int status;
};

static void nothing(void *arg)
{
}

static void finish(struct drive *drive)
{
	fflush(stdout);
	client_close(drive->client, nothing, NULL);
}

/* ---- Appends ---- */

static void append_more(struct drive *drive);

static void on_appended(struct service_append *append, void *arg)
{
	struct one *one = arg;
	struct drive *drive = one->drive;
	printf("%s%lu %d %llu\n", drive->words[1], one->number, append->status,
	       (unsigned long long)append->first_offset);
	if (append->status != 0)
		fprintf(stderr, "%s\n", client_sentence(drive->client));
	drive->idle[drive->idle_count++] = one;
	append_more(drive);
}

static void on_room(void *arg)
{
	append_more(arg);
}

static void append_more(struct drive *drive)
{
	char record[128];
	struct pollfd input = {.fd = STDIN_FILENO};
	if (poll(&input, 1, 0) == 1 && (input.revents & (POLLHUP | POLLERR)) != 0)
		drive->end = drive->next;
	while (drive->idle_count > 0 && drive->next < drive->end) {
		struct one *one = drive->idle[drive->idle_count - 1];
		const uint32_t size = (uint32_t)snprintf(record, sizeof record, "%s%lu", drive->words[1], drive->next);
		int rc = service_append(drive->service, &one->append, record, &size, 1, on_appended, one);
		if (rc == -EAGAIN) {
			service_ready(drive->service, on_room, drive);
			return;
		}
		if (rc < 0) {
			printf("%s%lu %d 0\n", drive->words[1], drive->next, rc);
			drive->next++;
			continue;
		}
		drive->idle_count--;
		one->number = drive->next++;
	}
	fflush(stdout);
	if (drive->next == drive->end && drive->idle_count == drive->window)
		finish(drive);
}

/* ---- Reads ---- */

static void read_more(struct drive *drive);

static void give(struct drive *drive)
{
	struct service_read *read = &drive->read;
	if (read->status != 0)
		fprintf(stderr, "%llu: %d: %s\n", (unsigned long long)read->offset, read->status,
		        client_sentence(drive->client));
	else
		fwrite(read->data, 1, read->data_size, stdout);
	if (read->kind == SERVICE_RECORD)
		fputc('\n', stdout);
	drive->status = read->status != 0;
	if (read->kind == SERVICE_RECORD)
		drive->next++;
	else
		drive->next = read->data_size == 0 ? drive->end : drive->next + read->data_size;
	service_read_end(drive->service, read);
}

static void on_read(struct service_read *read, void *arg)
{
	struct drive *drive = arg;
	give(drive);
	read_more(drive);
}

static void read_more(struct drive *drive)
{
	int rc = SERVICE_DONE;
	while (rc == SERVICE_DONE && drive->next < drive->end && drive->status == 0) {
		const unsigned long left = drive->end - drive->next;
		drive->read = strcmp(drive->words[0], "read") == 0
		                      ? (struct service_read){.kind = SERVICE_RECORD, .offset = drive->next}
		                      : (struct service_read){.kind = SERVICE_STREAM,
		                                              .position = drive->next,
		                                              .size = left < (128u << 10) ? (uint32_t)left
		                                                                          : 128u << 10};
		rc = service_read(drive->service, &drive->read, on_read, drive);
		if (rc == SERVICE_DONE)
			give(drive);
	}
	if (rc != SERVICE_PENDING)
		finish(drive);
}

/* ---- The program ---- */

static void show_state(struct drive *drive)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service_state state;
	service_state(drive->service, &state);
	size_t count = service_members(drive->service, members, SERVICE_MEMBERS_MAX);
	printf("%llu", (unsigned long long)state.next_offset);
	for (size_t i = 0; i < count; i++)
		printf(" %s=%s%s", members[i].name, service_rpc_address(drive->service, members[i].id),
		       members[i].id == state.leader ? "*" : "");
	printf("\n");
	finish(drive);
}

static void on_ready(void *arg, int status, const char *sentence)
{
	struct drive *drive = arg;
	const char *what = drive->words[0];
	if (status != 0) {
		fprintf(stderr, "%d: %s\n", status, sentence);
		drive->status = 1;
		finish(drive);
	} else if (strcmp(what, "append") == 0) {
		drive->end = strtoul(drive->words[2], NULL, 10);
		drive->window = strtoul(drive->words[3], NULL, 10);
		drive->ones = calloc(drive->window, sizeof *drive->ones);
		for (unsigned long i = 0; i < drive->window; i++) {
			drive->ones[i].drive = drive;
			drive->idle[drive->idle_count++] = &drive->ones[i];
		}
		append_more(drive);
	} else if (strcmp(what, "read") == 0 || strcmp(what, "stream") == 0) {
		drive->next = strtoul(drive->words[1], NULL, 10);
		drive->end = drive->next + strtoul(drive->words[2], NULL, 10);
		read_more(drive);
	} else {
		show_state(drive);
	}
}

int main(int count, char **words)
{
	static struct drive drive;
	struct clog_error err = {0};
	if (count < 6)
		return 2;
	const struct client_options options = {.servers = words[1],
	                                       .tls_folder = strcmp(words[2], "-") == 0 ? NULL : words[2],
	                                       .token_file = strcmp(words[3], "-") == 0 ? NULL : words[3],
	                                       .deadline_ms = (uint32_t)strtoul(words[4], NULL, 10)};
	drive.words = words + 5;
	uv_loop_init(&drive.loop);
	if (client_open(&drive.client, &drive.loop, &options, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		uv_run(&drive.loop, UV_RUN_DEFAULT);
		return 1;
	}
	drive.service = client_service(drive.client);
	client_ready(drive.client, on_ready, &drive);
	uv_run(&drive.loop, UV_RUN_DEFAULT);
	free(drive.ones);
	return uv_loop_close(&drive.loop) == 0 ? drive.status : 3;
}
