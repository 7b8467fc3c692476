/* What transports carry, with certificates and without. */
#include "tests/channel/name_server.h"
#include "tests/cluster/transporting.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Carrying ---- */

static void messages_arrive_whole_in_order_and_once(void **state)
{
	struct end *to = &rig.ends[1];
	uint64_t bytes = 0;
	connect_ends();
	for (unsigned i = 0; i < MESSAGES; i++) {
		size_t size = i % 3 == 0 ? 0 : i % 50 == 1 ? 1u << 20 : (size_t)i * i;
		RUN_UNTIL(way() == CLUSTER_WAY_FREE);
		say(size);
		bytes += size;
	}
	RUN_UNTIL(to->received == MESSAGES);
	assert_int_equal(to->wrong, 0);
	assert_int_equal(to->bytes, bytes);
	assert_int_equal(to->last.term, 9);
	assert_int_equal(to->last.cluster, 77);
}

static void the_largest_message_is_carried(void **state)
{
	connect_ends();
	say(MESSAGE_SIZE_MAX);
	RUN_UNTIL(rig.ends[1].received == 1);
	assert_int_equal(rig.ends[1].wrong, 0);
	assert_int_equal(rig.ends[1].bytes, MESSAGE_SIZE_MAX);
}

static void the_way_is_none_then_free_then_busy_then_free(void **state)
{
	start_both();
	sent = 0;
	assert_int_equal(way(), CLUSTER_WAY_NONE);
	RUN_UNTIL(rig.ends[0].writables == 1);
	assert_int_equal(way(), CLUSTER_WAY_FREE);
	say(8u << 20);
	assert_int_equal(way(), CLUSTER_WAY_BUSY);
	RUN_UNTIL(rig.ends[0].writables == 2);
	assert_int_equal(way(), CLUSTER_WAY_FREE);
	RUN_UNTIL(rig.ends[1].received == 1);
}

static void past_the_bound_of_what_waits_messages_are_dropped(void **state)
{
	const unsigned count = TRANSPORT_BACKLOG_SIZE_MAX / (16u << 20) + 3;
	connect_ends();
	for (unsigned i = 0; i < count; i++)
		say(16u << 20);
	say(0); /* there is always room for what is small, until there is none at all */
	RUN_UNTIL(way() == CLUSTER_WAY_FREE);
	RUN_UNTIL(rig.ends[1].last.number == sent);
	assert_in_range(rig.ends[1].received, 3, count);
}

static void what_is_said_before_the_link_is_open_is_carried_as_far_as_there_is_room(void **state)
{
	sent = 0;
	start_both();
	say(0);
	say(TRANSPORT_EARLY_SIZE_MAX); /* too much: lost */
	sent--;
	say(100);
	RUN_UNTIL(rig.ends[1].received == 2);
	assert_int_equal(rig.ends[1].wrong, 0);
	assert_int_equal(rig.ends[1].bytes, 100);
}

static void a_member_that_comes_back_is_dialled_again(void **state)
{
	char address[SERVICE_ADDRESS_SIZE];
	connect_ends();
	snprintf(address, sizeof address, "%s", there());
	say(10);
	RUN_UNTIL(rig.ends[1].received == 1);
	stop(&rig.ends[1]);
	RUN_UNTIL(transport_way(rig.ends[0].transport, 2, address) == CLUSTER_WAY_NONE);
	assert_true(was_told("event=peer_unreachable"));
	start(&rig.ends[1], address);
	RUN_UNTIL(way() == CLUSTER_WAY_FREE);
	say(10);
	RUN_UNTIL(rig.ends[1].received == 2);
}

static void a_member_whose_address_changes_is_found_there(void **state)
{
	connect_ends();
	stop(&rig.ends[1]);
	start(&rig.ends[1], "127.0.0.1:0");
	RUN_UNTIL(way() == CLUSTER_WAY_FREE);
	say(1);
	RUN_UNTIL(rig.ends[1].received == 1);
}

static void members_are_dialled_before_there_is_something_to_say(void **state)
{
	start_both();
	struct end *end = &rig.ends[0];
	end->member_count = 2;
	end->members[0] = (struct service_member){.id = 1, .name = "n1"};
	end->members[1] = (struct service_member){.id = 2, .name = "n2"};
	snprintf(end->members[1].address, sizeof end->members[1].address, "%s", there());
	RUN_UNTIL(end->writables == 1);
}

static void who_came_is_answered_where_it_says_that_it_listens(void **state)
{
	connect_ends();
	/* The address is not said: it is known from the greeting. */
	const struct message message = {.type = MESSAGE_ALIVE, .number = 1};
	transport_send(rig.ends[1].transport, 1, "", &message);
	RUN_UNTIL(rig.ends[0].received == 1);
	transport_send(rig.ends[1].transport, 12345, "", &message); /* nobody */
}

static void a_seed_is_found_by_its_address_alone(void **state)
{
	start_both();
	sent = 1;
	const struct message message = {.type = MESSAGE_ALIVE, .number = 1};
	transport_send(rig.ends[0].transport, 0, there(), &message);
	RUN_UNTIL(rig.ends[1].received == 1);
	/* It does not get in the way of the link to the member that is there. */
	RUN_UNTIL(way() == CLUSTER_WAY_FREE);
	say(0);
	RUN_UNTIL(rig.ends[1].received == 2);
	assert_int_equal(rig.ends[1].wrong, 0);
}

/* ---- Names ---- */

static struct name_server server; /* until the loop of its test has ended */

/* n1 speaks to whoever is found as dns:members.test, by these records. */
static void expect_found(const struct name_record *records, size_t count)
{
	char service[64];
	const struct message message = {.type = MESSAGE_ALIVE, .number = 1};
	name_server_init(&server, &rig.loop, records, count);
	rig.servers = server.address;
	sent = 1;
	start_both();
	snprintf(service, sizeof service, "dns:members.test:%s", strrchr(there(), ':') + 1);
	transport_send(rig.ends[0].transport, 0, service, &message);
	RUN_UNTIL(rig.ends[1].received == 1);
	assert_true(server.questions > 0);
	name_server_finish(&server);
}

static void a_seed_is_found_by_the_name_of_all(void **state)
{
	static const struct name_record zone[] = {{"members.test", NAME_A, "127.0.0.1"}};
	expect_found(zone, 1);
}

static void seeds_behind_a_name_are_tried_in_turn(void **state)
{
	/* At the first of these nobody listens. */
	static const struct name_record zone[] = {{"members.test", NAME_A, "127.9.9.9"},
	                                          {"members.test", NAME_A, "127.0.0.1"}};
	expect_found(zone, 2);
	assert_false(was_told("event=peer_refused"));
}

static void seeds_are_found_by_service_records(void **state)
{
	static const struct name_record zone[] = {{"members.test", NAME_SRV, "1 1 1 gone.test"},
	                                          {"members.test", NAME_SRV, "2 1 7400 n2.test"},
	                                          {"n2.test", NAME_A, "127.0.0.1"}};
	struct name_record records[3];
	char port[64];
	memcpy(records, zone, sizeof records);
	/* The port is the one in the record. */
	start(&rig.ends[1], "127.0.0.1:0");
	snprintf(port, sizeof port, "2 1 %s n2.test", strrchr(there(), ':') + 1);
	records[1].text = port;
	const struct message message = {.type = MESSAGE_ALIVE, .number = 1};
	name_server_init(&server, &rig.loop, records, 3);
	rig.servers = server.address;
	start(&rig.ends[0], "127.0.0.1:0");
	transport_send(rig.ends[0].transport, 0, "dns:members.test:7400", &message);
	RUN_UNTIL(rig.ends[1].received == 1);
	name_server_finish(&server);
}

/* ---- Certificates that change ---- */

static void new_certificates_are_used_and_bad_ones_are_not(void **state)
{
	connect_ends();
	issue("ca", "n1", rig.ends[0].folder);
	RUN_UNTIL(was_told("event=certificates_loaded"));
	say(5);
	RUN_UNTIL(rig.ends[1].received == 1);

	issue("ca", "n3", rig.ends[1].folder);
	transport_reload(rig.ends[1].transport);
	RUN_UNTIL(was_told("the certificate is for n3 of test now, and not for n2 of test"));
	FILE *file = fopen("tls-n1/cert.pem", "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	RUN_UNTIL(was_told("tls-n1/cert.pem has no certificate in PEM"));
	say(5);
	RUN_UNTIL(rig.ends[1].received == 2);
	/* The ones that are kept still serve. */
	stop(&rig.ends[1]);
	issue("ca", "n2", rig.ends[1].folder);
	start(&rig.ends[1], "127.0.0.1:0");
	RUN_UNTIL(way() == CLUSTER_WAY_FREE);
}

/* ---- Ending ---- */

static void it_can_be_ended_at_every_stage(void **state)
{
	for (unsigned turns = 0; turns < 60; turns++) {
		sent = 0;
		start_both();
		say(turns * 1000);
		for (unsigned i = 0; i < turns; i++)
			uv_run(&rig.loop, UV_RUN_NOWAIT);
		say(turns * 1000);
		stop(&rig.ends[turns % 2]);
		uv_run(&rig.loop, UV_RUN_NOWAIT);
		stop(&rig.ends[1 - turns % 2]);
		uv_run(&rig.loop, UV_RUN_DEFAULT);
		rig.ends[1].received = rig.ends[1].wrong = 0;
	}
	transport_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(messages_arrive_whole_in_order_and_once),
		SECRET(messages_arrive_whole_in_order_and_once),
		PLAIN(the_largest_message_is_carried),
		SECRET(the_largest_message_is_carried),
		PLAIN(the_way_is_none_then_free_then_busy_then_free),
		SECRET(the_way_is_none_then_free_then_busy_then_free),
		PLAIN(past_the_bound_of_what_waits_messages_are_dropped),
		SECRET(past_the_bound_of_what_waits_messages_are_dropped),
		PLAIN(what_is_said_before_the_link_is_open_is_carried_as_far_as_there_is_room),
		SECRET(what_is_said_before_the_link_is_open_is_carried_as_far_as_there_is_room),
		PLAIN(a_member_that_comes_back_is_dialled_again),
		SECRET(a_member_that_comes_back_is_dialled_again),
		PLAIN(a_member_whose_address_changes_is_found_there),
		PLAIN(members_are_dialled_before_there_is_something_to_say),
		PLAIN(who_came_is_answered_where_it_says_that_it_listens),
		PLAIN(a_seed_is_found_by_its_address_alone),
		PLAIN(a_seed_is_found_by_the_name_of_all),
		PLAIN(seeds_behind_a_name_are_tried_in_turn),
		PLAIN(seeds_are_found_by_service_records),
		SECRET(new_certificates_are_used_and_bad_ones_are_not),
		PLAIN(it_can_be_ended_at_every_stage),
		SECRET(it_can_be_ended_at_every_stage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
