/* reflect: grpc.reflection: what is served here, as protoc described it when this was built. */
#include "rpc/private.h"

#include "proto/reflection.pb-c.h"

#include <errno.h>
#include <string.h>

struct descriptor {
	const char *name;
	const unsigned char *data;
	size_t size;
	const char *const *symbols; /* NULL-terminated */
};

#include "rpc/descriptors.h"

#define QUESTION_SIZE_MAX 4096u /* bytes of a request, which goes back with the answer */
#define DESCRIPTORS (sizeof descriptors / sizeof descriptors[0])
#define SERVICES (sizeof services / sizeof services[0])

static const struct descriptor *find_file(const char *name)
{
	for (size_t i = 0; i < DESCRIPTORS; i++)
		if (strcmp(descriptors[i].name, name) == 0)
			return &descriptors[i];
	return NULL;
}

static const struct descriptor *find_symbol(const char *symbol)
{
	for (size_t i = 0; i < DESCRIPTORS; i++)
		for (const char *const *at = descriptors[i].symbols; *at != NULL; at++)
			if (strcmp(*at, symbol) == 0)
				return &descriptors[i];
	return NULL;
}

/* ---- Answers ---- */

/* Answers a request that goes on with an error; the call goes on. */
static void give_error(struct call *call, Grpc__Reflection__V1__ServerReflectionResponse *response, enum status status,
                       const char *message)
{
	Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
	error.error_code = (int32_t)status;
	error.error_message = (char *)message;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	response->error_response = &error;
	call_reply(call, &response->base);
}

static void give_file(struct call *call, Grpc__Reflection__V1__ServerReflectionResponse *response,
                      const struct descriptor *found)
{
	if (found == NULL) {
		give_error(call, response, STATUS_NOT_FOUND, "that is not known here");
		return;
	}
	Grpc__Reflection__V1__FileDescriptorResponse files = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	ProtobufCBinaryData file = {.data = (uint8_t *)found->data, .len = found->size};
	files.file_descriptor_proto = &file;
	files.n_file_descriptor_proto = 1;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	response->file_descriptor_response = &files;
	call_reply(call, &response->base);
}

static void give_services(struct call *call, Grpc__Reflection__V1__ServerReflectionResponse *response)
{
	Grpc__Reflection__V1__ListServiceResponse list = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	Grpc__Reflection__V1__ServiceResponse all[SERVICES], *places[SERVICES];
	for (size_t i = 0; i < SERVICES; i++) {
		grpc__reflection__v1__service_response__init(&all[i]);
		all[i].name = (char *)services[i];
		places[i] = &all[i];
	}
	list.service = places;
	list.n_service = SERVICES;
	response->message_response_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	response->list_services_response = &list;
	call_reply(call, &response->base);
}

/* ---- The methods ---- */

static int begin(struct call *call)
{
	return 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	Grpc__Reflection__V1__ServerReflectionResponse response =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	if (size > QUESTION_SIZE_MAX) {
		call_refuse(call, -EINVAL, "a request has at most 4096 bytes");
		return true;
	}
	if (!call_room(call)) {
		call_pause(call);
		return false;
	}
	Grpc__Reflection__V1__ServerReflectionRequest *request = arena_unpack(
		&call->rpc->arena, &grpc__reflection__v1__server_reflection_request__descriptor, data, size);
	if (request == NULL) {
		call_refuse(call, -EINVAL, "this is no ServerReflectionRequest");
		return true;
	}
	response.valid_host = request->host;
	response.original_request = request;
	switch (request->message_request_case) {
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		give_file(call, &response, find_file(request->file_by_filename));
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		give_file(call, &response, find_symbol(request->file_containing_symbol));
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
		give_services(call, &response);
		break;
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
	case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
		give_error(call, &response, STATUS_NOT_FOUND, "there are no extensions here");
		break;
	default:
		give_error(call, &response, STATUS_INVALID_ARGUMENT, "nothing is asked");
	}
	return true;
}

static void more(struct call *call)
{
	call_resume(call);
}

static void ended(struct call *call)
{
	call_finish(call, STATUS_OK, NULL);
}

static void drain(struct call *call)
{
	call_fail(call, -ESHUTDOWN);
}

static void finish(struct call *call)
{
}

/* What both have alike. */
#define REFLECT                                                                                                        \
	.leave = METHOD_ANY, .client_streams = true, .lasts = true, .begin = begin, .message = message,                \
	.ended = ended, .more = more, .drain = drain, .finish = finish

const struct method reflect = {.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", REFLECT};
const struct method reflect_alpha = {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", REFLECT};
