/* Reflection goes at the pace of its client. */
#include "tests/rpc/client.h"

#include "proto/reflection.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUESTIONS 1000u

static void no_more_is_answered_than_the_client_takes(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	static unsigned char bytes[QUESTIONS * 64];
	Grpc__Reflection__V1__ServerReflectionRequest request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	request.message_request_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
	request.file_containing_symbol = (char *)"log.v1.Log";
	struct body body = {.data = bytes};
	for (size_t i = 0; i < QUESTIONS; i++) {
		unsigned char *at = bytes + body.size;
		const size_t size = protobuf_c_message_pack(&request.base, at + FRAMING_HEAD_SIZE);
		framing_head((uint32_t)size, at);
		body.size += FRAMING_HEAD_SIZE + size;
	}
	client_exchange(client);
	nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, 65535);
	int32_t stream = client_call(client, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &body,
	                             NULL, NULL);
	const uint8_t *data;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
		door_feed(door, data, (size_t)size);
	const struct connection *connection = door->rpc.connections;
	assert_in_range(connection->output_size, RPC_OUTPUT_SIZE / 2, RPC_OUTPUT_SIZE + 4096);
	client_exchange(client);
	assert_string_equal(client->calls[stream].status, "0");
	assert_true(client->calls[stream].size > QUESTIONS * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_more_is_answered_than_the_client_takes, client_set_up,
	                                        client_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
