#include "tests/cluster/transporting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/observe.h"
#include "tests/log/folder.h"

struct rig rig;
unsigned char *bulk;
static char folder[FOLDER_PATH_SIZE];

/* ---- A member's part ---- */

static void say_self(void *arg, struct wire_hello *hello)
{
	const struct end *end = arg;
	hello->cluster = end->self.cluster;
	hello->member = end->self.member;
	memcpy(hello->cluster_name, end->self.cluster_name, sizeof hello->cluster_name);
	memcpy(hello->name, end->self.name, sizeof hello->name);
}

static size_t say_members(void *arg, struct service_member *members, size_t capacity)
{
	const struct end *end = arg;
	for (size_t i = 0; i < end->member_count && i < capacity; i++)
		members[i] = end->members[i];
	return end->member_count;
}

/* Messages are numbered from 1, and their data are the bytes from their number on. */
static void receive(void *arg, const struct message *message)
{
	struct end *end = arg;
	end->received++;
	end->bytes += message->size;
	end->last = *message;
	bool right = message->number == end->received && message->from == 1 &&
	             (message->size == 0 || memcmp(message->data, bulk + message->number, message->size) == 0);
	end->wrong += !right;
}

static void writable(void *arg, uint64_t member)
{
	struct end *end = arg;
	end->writables++;
}

static const struct transport_ops ops = {
	.self = say_self, .members = say_members, .receive = receive, .writable = writable};

/* ---- The rig ---- */

void on_alarm(uv_timer_t *alarm)
{
	rig.late = true;
}

bool was_told(const char *words)
{
	fflush(rig.stream);
	return strstr(rig.events, words) != NULL;
}

void issue(const char *authority, const char *name, const char *into)
{
	static const char *const hosts[] = {"127.0.0.1"};
	const struct tls_issue wanted = {
		.kind = TLS_MEMBER, .name = name, .hosts = hosts, .host_count = 1, .days = TLS_LEAF_DAYS};
	struct clog_error err = {0};
	assert_int_equal(tls_issue(authority, &wanted, into, &err), 0);
}

void load(struct end *end)
{
	struct clog_error err = {0};
	tls_context_unref(end->tls);
	end->tls = NULL;
	if (tls_context_load(&end->tls, end->folder, &err) != 0)
		fail_msg("%s", err.text);
}

int set_up_plain(void **state)
{
	memset(&rig, 0, sizeof rig);
	folder_enter(folder);
	rig.stream = open_memstream(&rig.events, &rig.events_size);
	assert_non_null(rig.stream);
	observe_output(rig.stream, OBSERVE_INFO);
	assert_int_equal(uv_loop_init(&rig.loop), 0);
	uv_timer_init(&rig.loop, &rig.alarm);
	bulk = malloc(MESSAGE_SIZE_MAX + MESSAGES + 1);
	assert_non_null(bulk);
	for (size_t i = 0; i < MESSAGE_SIZE_MAX + MESSAGES + 1; i++)
		bulk[i] = (unsigned char)(i * 31 >> 3);
	for (size_t i = 0; i < ENDS_MAX; i++) {
		struct end *end = &rig.ends[i];
		end->self = (struct wire_hello){.cluster = 77, .cluster_name = "test", .member = i + 1};
		snprintf(end->self.name, sizeof end->self.name, "n%zu", i + 1);
		snprintf(end->folder, sizeof end->folder, "tls-n%zu", i + 1);
	}
	return 0;
}

int set_up_tls(void **state)
{
	set_up_plain(state);
	struct clog_error err = {0};
	assert_int_equal(tls_authority_create("ca", "test", TLS_ROOT_DAYS, &err), 0);
	for (size_t i = 0; i < ENDS_MAX; i++) {
		issue("ca", rig.ends[i].self.name, rig.ends[i].folder);
		load(&rig.ends[i]);
	}
	return 0;
}

void stop(struct end *end)
{
	transport_destroy(end->transport);
	end->transport = NULL;
}

int tear_down(void **state)
{
	for (size_t i = 0; i < ENDS_MAX; i++) {
		stop(&rig.ends[i]);
		tls_context_unref(rig.ends[i].tls);
	}
	uv_close((uv_handle_t *)&rig.alarm, NULL);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig.loop), 0);
	observe_output(stderr, OBSERVE_INFO);
	fclose(rig.stream);
	free(rig.events);
	free(bulk);
	folder_leave(folder);
	return 0;
}

int create(struct end *end, const char *listen, const char *address, struct clog_error *err)
{
	const struct transport_options options = {.listen = listen,
	                                          .address = address,
	                                          .tls_folder = end->tls != NULL ? end->folder : NULL,
	                                          .tls = end->tls,
	                                          .servers = rig.servers};
	*err = (struct clog_error){0};
	return transport_create(&end->transport, &rig.loop, &options, &ops, end, err);
}

void start(struct end *end, const char *listen)
{
	struct clog_error err;
	if (create(end, listen, NULL, &err) != 0 || transport_start(end->transport, &err) != 0)
		fail_msg("%s", err.text);
}

void start_both(void)
{
	start(&rig.ends[0], "127.0.0.1:0");
	start(&rig.ends[1], "127.0.0.1:0");
}

const char *there(void)
{
	return transport_address(rig.ends[1].transport);
}

enum cluster_way way(void)
{
	return transport_way(rig.ends[0].transport, 2, there());
}

uint64_t sent;

void say(size_t size)
{
	sent++;
	const struct message message = {
		.type = MESSAGE_ALIVE, .term = 9, .cluster = 77, .number = sent, .data = bulk + sent, .size = size};
	transport_send(rig.ends[0].transport, 2, there(), &message);
}

void connect_ends(void)
{
	sent = 0;
	start_both();
	RUN_UNTIL(way() == CLUSTER_WAY_FREE);
}
