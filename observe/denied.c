#include "observe/observe.h"

#include <time.h>

static struct {
	time_t second; /* that they are counted in */
	unsigned sent;
	uint64_t untold;
} denials;

void observe_denied(const char *door, const char *principal, const char *action, const char *log, const char *from)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != denials.second) {
		denials.second = now.tv_sec;
		denials.sent = 0;
	}
	if (denials.sent == OBSERVE_DENIALS_MAX) {
		denials.untold++;
		return;
	}
	denials.sent++;
	struct observe_field fields[6] = {OBSERVE_TEXT("door", door), OBSERVE_TEXT("principal", principal),
	                                  OBSERVE_TEXT("action", action), OBSERVE_TEXT("log", log)};
	size_t count = 4;
	if (from != NULL)
		fields[count++] = OBSERVE_TEXT("address", from);
	if (denials.untold > 0)
		fields[count++] = OBSERVE_NUMBER("untold", denials.untold);
	denials.untold = 0;
	observe_event_fields(OBSERVE_WARNING, "denied", fields, count);
}
