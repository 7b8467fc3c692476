#include "fs/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t size;
};

/* Largest first. The smallest is what is counted in. */
static const struct unit byte_units[] = {{"PiB", UINT64_C(1) << 50},
                                         {"TiB", UINT64_C(1) << 40},
                                         {"GiB", UINT64_C(1) << 30},
                                         {"MiB", UINT64_C(1) << 20},
                                         {"KiB", UINT64_C(1) << 10},
                                         {"", 1},
                                         {NULL, 0}};
static const struct unit time_units[] = {{"d", UINT64_C(86400000000000)},
                                         {"h", UINT64_C(3600000000000)},
                                         {"m", UINT64_C(60000000000)},
                                         {"s", UINT64_C(1000000000)},
                                         {"ms", UINT64_C(1000000)},
                                         {"us", UINT64_C(1000)},
                                         {"ns", 1},
                                         {NULL, 0}};

const char retention_allowed[] =
	"bytes=N, with KiB, MiB, GiB, TiB, PiB or no unit, and age=N, with d, h, m, s, ms, us or "
	"ns, one or both, with a blank between them; or all";

/* Reads a number with its unit, up to a blank or the end. Returns what follows, or NULL. */
static const char *parse_limit(const char *text, const struct unit *units, uint64_t *limit)
{
	uint64_t number = 0;
	const char *digit = text;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		uint64_t value = (uint64_t)(*digit - '0');
		if (number > (UINT64_MAX - value) / 10)
			return NULL;
		number = number * 10 + value;
	}
	size_t size = strcspn(digit, " ");
	for (const struct unit *unit = units; unit->name != NULL; unit++) {
		if (strlen(unit->name) != size || memcmp(unit->name, digit, size) != 0)
			continue;
		/* Without a digit the number is 0, which is no limit either. */
		if (number == 0 || number > UINT64_MAX / unit->size)
			return NULL;
		*limit = number * unit->size;
		return digit + size;
	}
	return NULL;
}

int retention_parse(struct retention *retention, const char *text)
{
	*retention = (struct retention){0};
	if (strcmp(text, "all") == 0)
		return 0;
	for (;;) {
		bool bytes = strncmp(text, "bytes=", 6) == 0, age = strncmp(text, "age=", 4) == 0;
		uint64_t *limit = bytes ? &retention->bytes : &retention->time_ns;
		if ((!bytes && !age) || *limit != 0)
			return -EINVAL;
		text = parse_limit(text + (bytes ? 6 : 4), bytes ? byte_units : time_units, limit);
		if (text == NULL)
			return -EINVAL;
		if (*text == '\0')
			return 0;
		text++;
	}
}

static int print_limit(char *text, size_t size, const char *key, uint64_t limit, const struct unit *unit)
{
	while (limit % unit->size != 0)
		unit++;
	return snprintf(text, size, "%s=%" PRIu64 "%s", key, limit / unit->size, unit->name);
}

size_t retention_print(const struct retention *retention, char text[static RETENTION_TEXT_SIZE])
{
	int size = 0;
	if (retention->bytes != 0)
		size = print_limit(text, RETENTION_TEXT_SIZE, "bytes", retention->bytes, byte_units);
	if (retention->time_ns != 0)
		size += print_limit(text + size, RETENTION_TEXT_SIZE - (size_t)size, size > 0 ? " age" : "age",
		                    retention->time_ns, time_units);
	if (size == 0)
		size = snprintf(text, RETENTION_TEXT_SIZE, "all");
	return (size_t)size;
}
