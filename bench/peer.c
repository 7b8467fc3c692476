/* The same writers on others' servers: each has a connection, and waits for the answer to a record before the next.
 *
 *   bench_peer redis PORT SIZE WRITERS SECONDS      XADD and WAIT 1: a replica has it, too
 *   bench_peer nats PORT SIZE WRITERS SECONDS       into the JetStream stream of the subject "bench"
 *   bench_peer nats-stream PORT                     makes that stream, in three copies
 *
 * All on 127.0.0.1. What it prints is in bench/load.h. */
#include "bench/load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WRITERS_MAX 1024u
#define RECORD_SIZE_MAX 65536u
#define REQUEST_SIZE (RECORD_SIZE_MAX + 256u)
#define ANSWER_SIZE 4096u

static struct sockaddr_in address;
static size_t size;
static atomic_uint connections;

struct target {
	int socket;
	size_t request_size;
	char request[REQUEST_SIZE];
};

static bool send_all(int socket, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t sent = send(socket, bytes, count, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		bytes += sent;
		count -= (size_t)sent;
	}
	return true;
}

/* Reads until what came has `first` in it and, behind that, `last`. */
static bool await(int socket, const char *first, const char *last)
{
	char answer[ANSWER_SIZE + 1];
	size_t have = 0;
	for (;;) {
		ssize_t count = recv(socket, answer + have, ANSWER_SIZE - have, 0);
		if (count <= 0)
			return false;
		have += (size_t)count;
		answer[have] = '\0';
		const char *found = strstr(answer, first);
		if (found != NULL && strstr(found + strlen(first), last) != NULL)
			return true;
		if (answer[0] == '-' || have == ANSWER_SIZE) {
			fprintf(stderr, "bench_peer: answered: %s", answer);
			errno = EPROTO;
			return false;
		}
	}
}

static struct target *connect_target(void)
{
	struct target *target = calloc(1, sizeof *target);
	int yes = 1;
	if (target == NULL)
		return NULL;
	target->socket = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(target->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (connect(target->socket, (const struct sockaddr *)&address, sizeof address) == 0)
		return target;
	close(target->socket);
	free(target);
	return NULL;
}

/* Makes the request: the record between two texts. */
static void set_request(struct target *target, const char *before, const char *after)
{
	size_t begin = strlen(before), more = strlen(after);
	memcpy(target->request, before, begin);
	memset(target->request + begin, 'x', size);
	memcpy(target->request + begin + size, after, more);
	target->request_size = begin + size + more;
}

static void *open_redis(void)
{
	struct target *target = connect_target();
	char before[128];
	snprintf(before, sizeof before, "*5\r\n$4\r\nXADD\r\n$3\r\nlog\r\n$1\r\n*\r\n$1\r\nv\r\n$%zu\r\n", size);
	if (target != NULL)
		set_request(target, before, "\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n");
	return target;
}

static bool write_redis(void *arg, uint64_t number)
{
	const struct target *target = arg;
	(void)number;
	return send_all(target->socket, target->request, target->request_size) &&
	       await(target->socket, "\r\n:", "\r\n");
}

static void *open_nats(void)
{
	struct target *target = connect_target();
	char before[128];
	unsigned inbox = atomic_fetch_add(&connections, 1);
	if (target == NULL)
		return NULL;
	snprintf(before, sizeof before, "CONNECT {\"verbose\":false}\r\nSUB inbox.%d.%u 1\r\nPING\r\n", getpid(),
	         inbox);
	bool ready = send_all(target->socket, before, strlen(before)) && await(target->socket, "PONG", "\r\n");
	snprintf(before, sizeof before, "PUB bench inbox.%d.%u %zu\r\n", getpid(), inbox, size);
	set_request(target, before, "\r\n");
	return ready ? target : NULL;
}

static bool write_nats(void *arg, uint64_t number)
{
	const struct target *target = arg;
	(void)number;
	return send_all(target->socket, target->request, target->request_size) &&
	       await(target->socket, "\"seq\":", "}\r\n");
}

static void close_target(void *arg)
{
	struct target *target = arg;
	close(target->socket);
	free(target);
}

static int make_stream(void)
{
	static const char request[] =
		"{\"name\":\"bench\",\"subjects\":[\"bench\"],\"storage\":\"file\",\"num_replicas\":3,"
		"\"retention\":\"limits\"}";
	char text[512];
	struct target *target = connect_target();
	snprintf(text, sizeof text,
	         "CONNECT {\"verbose\":false}\r\nSUB made 1\r\nPUB $JS.API.STREAM.CREATE.bench made %zu\r\n%s\r\n",
	         strlen(request), request);
	if (target == NULL || !send_all(target->socket, text, strlen(text)) ||
	    !await(target->socket, "\"did_create\":true", "}\r\n")) {
		fprintf(stderr, "bench_peer: the stream was not made\n");
		return 1;
	}
	close_target(target);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct load_ops redis = {"redis", open_redis, write_redis, close_target};
	static const struct load_ops nats = {"nats", open_nats, write_nats, close_target};
	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	address.sin_port = htons(argc > 2 ? (uint16_t)strtoul(argv[2], NULL, 10) : 0);
	if (argc == 3 && strcmp(argv[1], "nats-stream") == 0)
		return make_stream();
	unsigned writers = argc == 6 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	size = argc == 6 ? strtoul(argv[3], NULL, 10) : 0;
	if (writers == 0 || writers > WRITERS_MAX || size == 0 || size > RECORD_SIZE_MAX) {
		fprintf(stderr, "usage: bench_peer redis|nats PORT SIZE WRITERS SECONDS\n");
		return 2;
	}
	load_run(strcmp(argv[1], "nats") == 0 ? &nats : &redis, writers, strtod(argv[5], NULL));
	return 0;
}
