#include "rpc/private.h"

#include <string.h>

static const struct method *const methods[] = {
	&produce_one, &produce_stream, &consume_one, &consume_stream,  &servers_list,  &health_check, &health_watch,
	&read_one,    &watch_state,    &command_any, &command_session, &settings_list, &reflect,      &reflect_alpha,
};

const struct method *method_find(const char *path)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i]->path, path) == 0)
			return methods[i];
	return NULL;
}
