#include "cluster/transport_state.h"

#include <string.h>

static uint64_t hash_of(const char *place, const char *what)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	for (const char *text = place;; text = what) {
		for (const char *at = text; *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * 1099511628211u;
		if (text == what)
			return hash;
		hash *= 1099511628211u;
	}
}

bool notice_due(struct transport *transport, const char *place, const char *what, uint64_t *count)
{
	/* Of an address and port the port is another one each time. */
	char host[CHANNEL_ADDRESS_SIZE];
	size_t size = strlen(place) < sizeof host ? strlen(place) : sizeof host - 1;
	memcpy(host, place, size);
	host[size] = '\0';
	char *colon = strrchr(host, ':');
	if (colon != NULL)
		*colon = '\0';

	uint64_t hash = hash_of(host, what), now_ms = transport_now(transport);
	struct notice *oldest = &transport->notices[0];
	for (size_t i = 0; i < NOTICES_MAX; i++) {
		struct notice *notice = &transport->notices[i];
		if (notice->at_ms < oldest->at_ms)
			oldest = notice;
		if (notice->at_ms == 0 || notice->hash != hash)
			continue;
		notice->count++;
		if (now_ms < notice->at_ms + NOTICE_AGAIN_MS)
			return false;
		*count = notice->count;
		*notice = (struct notice){.hash = hash, .at_ms = now_ms};
		return true;
	}
	*oldest = (struct notice){.hash = hash, .at_ms = now_ms};
	*count = 1;
	return true;
}
