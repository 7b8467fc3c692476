/* Memory that runs out at any moment: the call it was for fails, or its connection ends, and nothing is left behind. */
#include "tests/disk/allocation.h"
#include "tests/rpc/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STREAMED 20u

/* All that can be called. Returns how many calls ended well. */
static unsigned call_all(struct client *client)
{
	static unsigned char bytes[7][4096];
	static const char *const paths[] = {"/log.v1.Log/Produce",         "/log.v1.Log/ProduceStream",
	                                    "/log.v1.Log/Consume",         "/log.v1.Log/ConsumeStream",
	                                    "/log.v1.Log/GetServers",      "/grpc.health.v1.Health/Check",
	                                    "/grpc.health.v1.Health/Watch"};
	struct body bodies[7];
	int32_t streams[7];
	unsigned well = 0;
	for (size_t i = 0; i < 7; i++) {
		bodies[i] = client_message(bytes[i], i < 2 ? 90 : 0);
		for (size_t k = 1; i == 1 && k < STREAMED; k++)
			bodies[i].size += client_message(bytes[i] + bodies[i].size, 90).size;
		streams[i] = client_call(client, paths[i], &bodies[i], "grpc-timeout", "9S");
		client_exchange(client);
		door_answer(&client->door);
		client_exchange(client);
	}
	for (size_t i = 0; i < 7; i++)
		well += strcmp(client->calls[streams[i]].status, "0") == 0;
	return well;
}

static void every_failed_allocation_is_survived(void **state)
{
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		struct client *client;
		assert_int_equal(client_set_up((void **)&client), 0);
		allocation_fail(nth);
		const unsigned well = call_all(client);
		fired = allocation_fired();
		allocation_fail(0);
		/* The two that follow go on. */
		assert_in_range(well, fired && client->door.destroyed ? 0 : fired ? 4 : 5, 5);
		if (!fired)
			assert_int_equal(client->door.count, 1 + STREAMED);
		client_tear_down((void **)&client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_failed_allocation_is_survived)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
