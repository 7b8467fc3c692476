#include "rpc/request.h"

#include <errno.h>
#include <string.h>

#define TIMEOUT_DIGITS_MAX 8u

static bool is(const void *text, size_t size, const char *word)
{
	return size == strlen(word) && memcmp(text, word, size) == 0;
}

/* "application/grpc", perhaps with "+proto" or parameters behind it. */
static bool is_grpc(const char *value, size_t size)
{
	static const char type[] = "application/grpc", proto[] = "+proto";
	const size_t type_size = sizeof type - 1, proto_size = sizeof proto - 1;
	if (size < type_size || memcmp(value, type, type_size) != 0)
		return false;
	value += type_size;
	size -= type_size;
	if (size >= proto_size && memcmp(value, proto, proto_size) == 0) {
		value += proto_size;
		size -= proto_size;
	}
	return size == 0 || value[0] == ';' || value[0] == ' ';
}

int request_timeout(const char *text, size_t size, uint64_t *timeout_ms)
{
	static const struct {
		char unit;
		uint64_t times, part; /* of a millisecond */
	} units[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
	             {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000}};
	uint64_t number = 0;
	if (size < 2 || size > TIMEOUT_DIGITS_MAX + 1)
		return -EINVAL;
	for (size_t i = 0; i < size - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		number = 10 * number + (uint64_t)(text[i] - '0');
	}
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].unit != text[size - 1])
			continue;
		*timeout_ms = (number * units[i].times + units[i].part - 1) / units[i].part;
		return 0;
	}
	return -EINVAL;
}

void request_header(struct request *request, const void *name, size_t name_size, const void *value, size_t value_size)
{
	request->size += name_size + value_size + 32;
	if (is(name, name_size, ":method")) {
		request->post = is(value, value_size, "POST");
	} else if (is(name, name_size, ":path")) {
		size_t size = value_size < REQUEST_PATH_SIZE ? value_size : REQUEST_PATH_SIZE - 1;
		memcpy(request->path, value, size);
		request->path[size] = '\0';
	} else if (is(name, name_size, "content-type")) {
		request->grpc = is_grpc(value, value_size);
	} else if (is(name, name_size, "grpc-encoding")) {
		request->encoded = !is(value, value_size, "identity");
	} else if (is(name, name_size, "grpc-timeout")) {
		request->timed = request_timeout(value, value_size, &request->timeout_ms) == 0;
		request->mistimed = !request->timed;
	}
}
