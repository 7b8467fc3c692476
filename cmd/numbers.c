#include "cmd/numbers.h"

#include <stddef.h>
#include <string.h>

#define DAY_S 86400u
#define DAYS_MAX 36500u

/* Reads the digits that a text begins with. NULL where there are none, or they are more than max. */
static const char *read_digits(const char *text, uint64_t max, uint64_t *number)
{
	*number = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		const uint64_t digit = (uint64_t)(*at - '0');
		if (digit > max || *number > (max - digit) / 10)
			return NULL;
		*number = 10 * *number + digit;
	}
	return at == text ? NULL : at;
}

bool numbers_read(const char *text, uint64_t max, uint64_t *number)
{
	const char *const end = read_digits(text, max, number);
	return end != NULL && *end == '\0';
}

bool numbers_read_span(const char *text, uint64_t *seconds)
{
	static const char units[] = "smhd";
	static const uint64_t unit_s[] = {1, 60, 3600, DAY_S};
	uint64_t number;
	const char *const end = read_digits(text, (uint64_t)DAYS_MAX * DAY_S, &number);
	const char *const unit = end != NULL && *end != '\0' ? strchr(units, *end) : NULL;
	if (unit == NULL || end[1] != '\0' || number == 0)
		return false;
	*seconds = number * unit_s[unit - units];
	return *seconds <= (uint64_t)DAYS_MAX * DAY_S;
}
