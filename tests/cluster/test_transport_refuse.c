/* Whom transports refuse. */
#include "cluster/configuration.h"
#include "tests/cluster/transporting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Refusing ---- */

static void expect_refusal(const char *words)
{
	start_both();
	sent = 0;
	say(0);
	RUN_UNTIL(was_told(words));
	assert_int_equal(rig.ends[1].received, 0);
	assert_int_equal(way(), CLUSTER_WAY_NONE);
}

static void two_that_were_founded_apart_refuse_each_other(void **state)
{
	rig.ends[1].self.cluster = 78;
	expect_refusal("event=peer_refused");
	RUN_UNTIL(was_told("refused there: n1 and n2 were founded apart"));
}

static void who_is_in_no_cluster_yet_is_welcome(void **state)
{
	rig.ends[0].self.cluster = 0;
	connect_ends();
}

static void another_clusters_name_is_refused(void **state)
{
	memcpy(rig.ends[0].self.cluster_name, "prod", 5);
	expect_refusal("n1 is of the cluster prod, and n2 of test");
}

static void another_member_at_the_address_is_refused(void **state)
{
	rig.ends[1].self.member = 3;
	expect_refusal("this is n2, and not the member that is wanted");
}

static void who_has_anothers_id_is_refused(void **state)
{
	rig.ends[1].member_count = 1;
	rig.ends[1].members[0].id = 1;
	memcpy(rig.ends[1].members[0].name, "other", 6);
	expect_refusal("n1 has the id of other");
}

static void who_is_found_with_anothers_id_is_not_spoken_to(void **state)
{
	rig.ends[0].member_count = 1;
	rig.ends[0].members[0] = (struct service_member){.id = 2, .name = "other"};
	start_both();
	sent = 0;
	say(0);
	RUN_UNTIL(was_told("event=peer_unreachable"));
	assert_true(was_told("n2 has the id of other"));
	assert_int_equal(rig.ends[1].received, 0);
	assert_int_equal(way(), CLUSTER_WAY_NONE);
}

/* Asks to join under a name and an id. */
static void ask_to_join(const char *name, uint64_t id)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct service_member fresh = {.id = id, .role = SERVICE_STANDBY, .address = "127.0.0.1:1"};
	snprintf(fresh.name, sizeof fresh.name, "%s", name);
	const struct message message = {
		.type = MESSAGE_JOIN, .number = 1, .data = data, .size = configuration_encode(&fresh, 1, data)};
	transport_send(rig.ends[0].transport, 2, there(), &message);
}

static void a_member_joins_under_its_own_name_alone(void **state)
{
	connect_ends();
	ask_to_join("n1", 1);
	RUN_UNTIL(rig.ends[1].received == 1);
	ask_to_join("n7", 1);
	RUN_UNTIL(was_told("it asks to join as another than it is"));
	assert_int_equal(rig.ends[1].received, 1);
}

static void a_member_joins_under_its_own_id_alone(void **state)
{
	connect_ends();
	ask_to_join("n1", 7);
	RUN_UNTIL(was_told("it asks to join as another than it is"));
	assert_int_equal(rig.ends[1].received, 0);
}

static void a_member_does_not_talk_to_itself(void **state)
{
	rig.ends[1].self.member = 1;
	expect_refusal("refused there: it is n2 itself");
}

static void a_certificate_for_another_name_is_refused(void **state)
{
	memcpy(rig.ends[0].self.name, "n9", 3);
	expect_refusal("it says that it is n9, and its certificate is n1's");
}

static void another_authority_is_refused(void **state)
{
	struct clog_error err = {0};
	assert_int_equal(tls_authority_create("ca2", "test", TLS_ROOT_DAYS, &err), 0);
	issue("ca2", "n1", rig.ends[0].folder);
	load(&rig.ends[0]);
	expect_refusal("event=peer_unreachable");
	RUN_UNTIL(was_told("certificate is not trusted"));
}

static void who_speaks_in_clear_is_refused_by_who_has_certificates(void **state)
{
	tls_context_unref(rig.ends[0].tls);
	rig.ends[0].tls = NULL;
	expect_refusal("it does not speak TLS");
}

/* ---- Listening ---- */

static void expect_no_listening(const char *listen, const char *address, int status, const char *words)
{
	struct clog_error err;
	assert_int_equal(create(&rig.ends[0], listen, address, &err), status);
	if (strstr(err.text, words) == NULL)
		fail_msg("%s", err.text);
	rig.ends[0].transport = NULL;
	uv_run(&rig.loop, UV_RUN_NOWAIT);
}

static void without_certificates_only_this_machine_is_listened_to(void **state)
{
	expect_no_listening("0.0.0.0:0", NULL, -EACCES, "can be reached from other machines");
	expect_no_listening("[::]:0", NULL, -EACCES, "can be reached from other machines");
	expect_no_listening("192.0.2.1:7400", NULL, -EACCES, "can be reached from other machines");
	expect_no_listening("nonsense", NULL, -EINVAL, "nonsense");
}

static void every_address_needs_one_to_be_reached_at(void **state)
{
	struct clog_error err;
	expect_no_listening("0.0.0.0:0", NULL, -EINVAL, "--advertise");
	assert_int_equal(create(&rig.ends[0], "0.0.0.0:0", "n1:7400", &err), 0);
	assert_string_equal(transport_address(rig.ends[0].transport), "n1:7400");
}

static void a_port_that_is_taken_is_told(void **state)
{
	struct clog_error err;
	start(&rig.ends[0], "127.0.0.1:0");
	int rc = create(&rig.ends[1], transport_address(rig.ends[0].transport), NULL, &err);
	if (rc == 0)
		rc = transport_start(rig.ends[1].transport, &err);
	else
		rig.ends[1].transport = NULL;
	assert_int_equal(rc, -EADDRINUSE);
	assert_non_null(strstr(err.text, transport_address(rig.ends[0].transport)));
}

/* ---- Strangers ---- */

static int dial_raw(void)
{
	const char *address = transport_address(rig.ends[0].transport);
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static bool is_ended(int fd)
{
	char byte;
	ssize_t size = recv(fd, &byte, 1, MSG_DONTWAIT);
	return size == 0 || (size < 0 && errno == ECONNRESET);
}

static void so_many_from_one_address_may_be_unknown(void **state)
{
	int fds[TRANSPORT_STRANGERS_MAX + 5];
	const size_t count = sizeof fds / sizeof fds[0];
	start(&rig.ends[0], "127.0.0.1:0");
	for (size_t i = 0; i < count; i++)
		fds[i] = dial_raw();
	size_t ended = 0;
	for (uv_timer_start(&rig.alarm, on_alarm, DEADLINE_MS, 0); ended < 5;) {
		assert_false(rig.late);
		uv_run(&rig.loop, UV_RUN_ONCE);
		ended = 0;
		for (size_t i = 0; i < count; i++)
			ended += is_ended(fds[i]);
	}
	uv_timer_stop(&rig.alarm);
	assert_int_equal(ended, 5);
	assert_true(was_told("too many connections from there"));
	/* After their time the others go, too. */
	RUN_UNTIL(is_ended(fds[0]));
	assert_true(was_told("it has not said who it is in time"));
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static void what_is_no_greeting_ends_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *words;
	} wrong[] = {{"GET / HTTP/1.1\r\n\r\n", 18, "a message is larger than any may be"},
	             {"\x02\0\0\0\xff\xff\xff\xff", 8, "a message is larger than any may be"},
	             {"\xff\xff\xff\xff\0\0\0\0", 8, "a message is larger than any may be"},
	             {"\x02\0\0\0\0\0\0\0\x09\x09", 10, "it does not keep to the protocol"},
	             {"\x02\0\0\0\0\0\0\0\x08\x63", 10, "it speaks version 99 of the protocol, and n1 speaks 1"}};
	start(&rig.ends[0], "127.0.0.1:0");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int fd = dial_raw();
		char answer[512];
		assert_int_equal(write(fd, wrong[i].bytes, wrong[i].size), wrong[i].size);
		RUN_UNTIL(was_told(wrong[i].words));
		/* One that is told why is ended when it goes, or when its time is up. */
		while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
			;
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(two_that_were_founded_apart_refuse_each_other),
		SECRET(two_that_were_founded_apart_refuse_each_other),
		PLAIN(who_is_in_no_cluster_yet_is_welcome),
		PLAIN(another_clusters_name_is_refused),
		PLAIN(another_member_at_the_address_is_refused),
		PLAIN(who_has_anothers_id_is_refused),
		PLAIN(who_is_found_with_anothers_id_is_not_spoken_to),
		SECRET(who_is_found_with_anothers_id_is_not_spoken_to),
		PLAIN(a_member_joins_under_its_own_name_alone),
		SECRET(a_member_joins_under_its_own_name_alone),
		PLAIN(a_member_joins_under_its_own_id_alone),
		PLAIN(a_member_does_not_talk_to_itself),
		SECRET(a_certificate_for_another_name_is_refused),
		SECRET(another_authority_is_refused),
		SECRET(who_speaks_in_clear_is_refused_by_who_has_certificates),
		PLAIN(without_certificates_only_this_machine_is_listened_to),
		SECRET(every_address_needs_one_to_be_reached_at),
		PLAIN(a_port_that_is_taken_is_told),
		PLAIN(so_many_from_one_address_may_be_unknown),
		PLAIN(what_is_no_greeting_ends_the_connection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
