/* Loads a server by network connections, under TLS where a folder of certificates is named ("-": plain).
 *
 *   bench_rpc KIND HOST:PORT TLS SIZE OUTSTANDING CONNECTIONS SECONDS
 *       produce    gRPC: Produce              stream    ProduceStream, of so many records that are not acknowledged
 *       read       gRPC: Consume              post      HTTP: POST /v1/records, one after the other on each connection
 *       etcd       etcd's Put                 redis     XADD and WAIT 1, as post
 *     OUTSTANDING are under way on each connection. Prints a line when all connections are open, and, of what comes then,
 *     what bench/times.h says.
 *   bench_rpc consume HOST:PORT TLS COUNT     ConsumeStream, until so many records have come. The same
 *   bench_rpc hold|hold-post HOST:PORT TLS CONNECTIONS    opens gRPC's or HTTP's, prints a line, and keeps them until its
 *                                                         input ends
 *   bench_rpc refused HOST:PORT TLS CONNECTIONS           opens so many, and waits for the other side to end each */
#include "bench/rpc.h"

#include "error/error.h"
#include "tls/tls.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUTSTANDING_MAX 65536u
#define CONNECTIONS_MAX 65536u
#define SILENCE_MS 20000u
#define OPENING_MAX 32u /* at once */

void run_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "bench_rpc: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

/* ---- The clock ---- */

/* The servers are not asked for what is still under way. */
static void end(const struct run *run)
{
	const double seconds = (double)(times_now_ns() - run->begin_ns) / 1e9;
	times_print(&run->times, (double)run->count / seconds);
	exit(0);
}

static void on_timer(uv_timer_t *timer)
{
	end(timer->data);
}

static void start(struct run *run)
{
	run->started = true;
	run->begin_ns = times_now_ns();
	printf("%u\n", run->ready_count);
	fflush(stdout);
	if (run->holds)
		return;
	if (!run->protocol->counts)
		uv_timer_start(&run->timer, on_timer, (uint64_t)(run->limit * 1000), 0);
	for (unsigned i = 0; i < run->link_count; i++)
		run->protocol->start(&run->links[i]);
}

void run_count(struct run *run, uint64_t count, uint64_t begin_ns, uint64_t now_ns)
{
	run->count += count;
	if (begin_ns != 0)
		times_add(&run->times, (now_ns - begin_ns) / 1000);
	if (run->protocol->counts && (double)run->count >= run->limit)
		end(run);
}

/* ---- Connections ---- */

static void begin(struct link *link);

static void on_opened(void *arg)
{
	struct link *link = arg;
	link->run->protocol->open(link);
}

static void on_bytes(void *arg, const void *data, size_t size)
{
	struct link *link = arg;
	link->run->protocol->bytes(link, data, size);
}

static void on_soon(void *arg)
{
	struct link *link = arg;
	if (link->run->protocol->soon != NULL)
		link->run->protocol->soon(link);
}

static void on_closed(void *arg, int status, const char *sentence)
{
	struct link *link = arg;
	struct run *run = link->run;
	enum after after = run->protocol->closed(link);
	channel_destroy(link->channel);
	if (after == AFTER_FAIL || status == -ECONNREFUSED)
		run_fail("%s: a connection has ended: %s", run->address_text, sentence);
	if (after == AFTER_AGAIN)
		begin(link);
}

static const struct channel_ops ops = {
	.opened = on_opened, .bytes = on_bytes, .soon = on_soon, .drained = on_soon, .closed = on_closed};

static void begin(struct link *link)
{
	const struct run *run = link->run;
	int rc = channel_connect(&link->channel, run->channels, (const struct sockaddr *)&run->address, run->tls, &ops,
	                         link);
	if (rc != 0)
		run_fail("%s: %s", run->address_text, strerror(-rc));
}

static void begin_more(struct run *run)
{
	for (; run->begun_count < run->link_count && run->begun_count < run->ready_count + OPENING_MAX;
	     run->begun_count++)
		begin(&run->links[run->begun_count]);
}

void run_ready(struct link *link)
{
	struct run *run = link->run;
	if (link->ready) {
		run->protocol->start(link);
		return;
	}
	link->ready = true;
	run->ready_count++;
	if (run->ready_count == run->link_count)
		start(run);
	begin_more(run);
}

/* ---- The command ---- */

static void set_address(struct run *run, const char *text)
{
	char host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
	struct clog_error err = {0};
	struct addrinfo *found;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	run->address_text = text;
	if (channel_split(text, host, port, &err) != 0)
		run_fail("%s", err.text);
	if (getaddrinfo(host, port, &hints, &found) != 0)
		run_fail("%s: it is not known", text);
	memcpy(&run->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
}

static void set_tls(struct run *run, const char *folder)
{
	struct clog_error err = {0};
	if (strcmp(folder, "-") == 0)
		return;
	if (tls_context_load(&run->tls, folder, &err) != 0)
		run_fail("%s", err.text);
}

/* The kind's protocol, which is given so many arguments behind TLS. */
static void set_kind(struct run *run, const char *kind, int count)
{
	static const struct {
		const char *kind;
		const struct protocol *protocol;
		int count;
		bool holds;
	} kinds[] = {
		{"produce", &calls_produce, 4, false}, {"stream", &calls_stream, 4, false},
		{"read", &calls_read, 4, false},       {"etcd", &calls_etcd, 4, false},
		{"post", &text_http, 4, false},        {"redis", &text_redis, 4, false},
		{"consume", &calls_consume, 1, false}, {"hold", &calls_produce, 1, true},
		{"hold-post", &text_http, 1, true},    {"refused", &text_refused, 1, false},
	};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kinds[i].kind, kind) != 0 || kinds[i].count != count)
			continue;
		run->protocol = kinds[i].protocol;
		run->holds = kinds[i].holds;
	}
	if (run->protocol == NULL)
		run_fail("the arguments are told at the beginning of bench/rpc.c");
}

static unsigned number(const char *text, unsigned most)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 10);
	if (*text == '\0' || *rest != '\0' || value == 0 || value > most)
		run_fail("%s: a number from 1 to %u was expected", text, most);
	return (unsigned)value;
}

static void set_numbers(struct run *run, char **numbers, int count)
{
	run->link_count = 1;
	run->outstanding = 1;
	if (count == 4) {
		run->record_size = number(numbers[0], RECORD_SIZE_MAX);
		run->outstanding = number(numbers[1], OUTSTANDING_MAX);
		run->link_count = number(numbers[2], CONNECTIONS_MAX);
		run->limit = strtod(numbers[3], NULL);
		return;
	}
	run->limit = number(numbers[0], UINT32_MAX);
	if (run->protocol != &calls_consume)
		run->link_count = number(numbers[0], CONNECTIONS_MAX);
}

/* Its input has ended. */
static void on_input(uv_poll_t *poll, int status, int events)
{
	char byte;
	if (read(STDIN_FILENO, &byte, 1) <= 0)
		exit(0);
}

int main(int argc, char **argv)
{
	static struct run run;
	static uv_poll_t input;
	struct clog_error err = {0};
	if (argc < 4)
		run_fail("the arguments are told at the beginning of bench/rpc.c");
	set_kind(&run, argv[1], argc - 4);
	set_address(&run, argv[2]);
	set_tls(&run, argv[3]);
	set_numbers(&run, argv + 4, argc - 4);
	uv_loop_init(&run.loop);
	uv_timer_init(&run.loop, &run.timer);
	run.timer.data = &run;
	if (run.holds && uv_poll_init(&run.loop, &input, STDIN_FILENO) == 0)
		uv_poll_start(&input, UV_READABLE, on_input);
	run.links = calloc(run.link_count, sizeof *run.links);
	if (run.links == NULL || channels_create(&run.channels, &run.loop, SILENCE_MS, &err) != 0)
		run_fail("no memory");
	for (unsigned i = 0; i < run.link_count; i++)
		run.links[i] = (struct link){.run = &run, .outstanding = run.outstanding};
	run.begin_ns = times_now_ns();
	begin_more(&run);
	return uv_run(&run.loop, UV_RUN_DEFAULT);
}
