/* Connections that this member has dialled: one to each other member, one to each address that it asks to join at. A link
 * waits, finds the address, connects, greets, and is open; whatever goes wrong, it waits again, longer each time. */
#include "cluster/transport_state.h"

#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE_PREFIX "dns:"

/* ---- Losing it, and beginning again ---- */

static void drop_channel(struct link *link)
{
	channel_destroy(link->channel);
	link->channel = NULL;
	wire_reader_finish(&link->reader);
	free(link->early);
	link->early = NULL;
	link->early_size = 0;
}

/* Half of it is random, so that many who lost the same member do not all come at once. */
static uint64_t wait_of(struct link *link)
{
	uint32_t random;
	uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
	link->backoff_ms = link->backoff_ms == 0 ? TRANSPORT_BACKOFF_MIN_MS : 2 * link->backoff_ms;
	if (link->backoff_ms > TRANSPORT_BACKOFF_MAX_MS)
		link->backoff_ms = TRANSPORT_BACKOFF_MAX_MS;
	return link->backoff_ms / 2 + random % link->backoff_ms;
}

static void wait(struct link *link)
{
	drop_channel(link);
	link->state = LINK_WAITING;
	link->at_ms = transport_now(link->transport) + wait_of(link);
}

static void complain(struct link *link, const char *place, const char *sentence)
{
	uint64_t count;
	if (notice_due(link->transport, place, sentence, &count))
		observe_event(OBSERVE_WARNING, "peer_unreachable", OBSERVE_NUMBER("member", link->member),
		              OBSERVE_TEXT("address", place), OBSERVE_TEXT("reason", sentence),
		              OBSERVE_NUMBER("count", count));
}

static void dial_next(struct link *link);

/* The address does not do: the next one of the same name is tried. */
static void fail(struct link *link, const char *sentence)
{
	char place[CHANNEL_ADDRESS_SIZE + SERVICE_ADDRESS_SIZE];
	snprintf(place, sizeof place, "%s", link->address);
	if (link->turn > 0 && link->turn <= link->resolved.count && link->state != LINK_OPEN)
		channel_address_text((const struct sockaddr *)&link->resolved.addresses[link->turn - 1], place);
	complain(link, place, sentence);
	bool more = link->state != LINK_OPEN && link->turn < link->resolved.count;
	if (!more) {
		wait(link);
		return;
	}
	channel_destroy(link->channel);
	link->channel = NULL;
	wire_reader_finish(&link->reader);
	dial_next(link);
}

/* ---- Open ---- */

static void take_open(struct link *link, const struct wire_hello *welcome)
{
	link->state = LINK_OPEN;
	link->backoff_ms = 0;
	if (link->early_size > 0)
		channel_write(link->channel, link->early, link->early_size);
	free(link->early);
	link->early = NULL;
	link->early_size = 0;
	observe_event(OBSERVE_INFO, "peer_connected", OBSERVE_NUMBER("member", welcome->member),
	              OBSERVE_TEXT("name", welcome->name), OBSERVE_TEXT("address", link->address));
	channel_tell_drained(link->channel);
}

static int take_welcome(void *arg, const void *header, size_t header_size, const void *data, size_t data_size)
{
	struct link *link = arg;
	struct wire_hello welcome, self;
	char sentence[WIRE_REFUSAL_SIZE + 64] = "";
	if (link->state != LINK_GREETING)
		return -EPROTO;
	int rc = wire_decode_welcome(header, header_size, &welcome);
	transport_self(link->transport, &self);
	if (welcome.refused[0] != '\0')
		snprintf(sentence, sizeof sentence, "refused there: %s", welcome.refused);
	else if (rc == -EPROTONOSUPPORT)
		snprintf(sentence, sizeof sentence, "it speaks version %u of the protocol, this member speaks %u",
		         welcome.version, WIRE_VERSION);
	else if (rc != 0)
		snprintf(sentence, sizeof sentence, "its welcome cannot be read");
	else if (welcome.member == self.member)
		snprintf(sentence, sizeof sentence, "this member itself is there");
	else if (link->member != 0 && welcome.member != link->member)
		snprintf(sentence, sizeof sentence, "another member is there: %s", welcome.name);
	else if (!transport_trusts(link->transport, link->channel, welcome.name, sentence) ||
	         transport_knows_other(link->transport, welcome.member, welcome.name, sentence))
		assert(sentence[0] != '\0');
	if (sentence[0] == '\0')
		take_open(link, &welcome);
	else
		fail(link, sentence);
	return sentence[0] == '\0' ? 0 : -ECANCELED;
}

/* ---- The channel's callbacks ---- */

static void on_opened(void *arg)
{
	struct link *link = arg;
	struct wire_hello hello;
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	link->state = LINK_GREETING;
	link->at_ms = transport_now(link->transport) + TRANSPORT_GREET_MS;
	transport_self(link->transport, &hello);
	hello.wanted = link->member;
	channel_write(link->channel, head, wire_encode_hello(&hello, head));
}

static void on_bytes(void *arg, const void *data, size_t size)
{
	struct link *link = arg;
	int rc = wire_reader_take(&link->reader, data, size, take_welcome, link);
	if (rc != 0 && rc != -ECANCELED)
		fail(link, "it does not keep to the protocol");
}

static void on_drained(void *arg)
{
	struct link *link = arg;
	if (link->member != 0 && link->state == LINK_OPEN)
		link->transport->ops->writable(link->transport->arg, link->member);
}

static void on_closed(void *arg, int status, const char *sentence)
{
	fail(arg, sentence);
}

static const struct channel_ops channel_ops = {
	.opened = on_opened, .bytes = on_bytes, .drained = on_drained, .closed = on_closed};

/* ---- Dialling ---- */

static void dial_next(struct link *link)
{
	struct transport *transport = link->transport;
	assert(link->turn < link->resolved.count);
	const struct sockaddr *address = (const struct sockaddr *)&link->resolved.addresses[link->turn++];
	link->state = LINK_CONNECTING;
	link->at_ms = transport_now(transport) + TRANSPORT_CONNECT_MS;
	if (transport->tls == NULL && !channel_is_loopback(address)) {
		fail(link, "it is on another machine, and there are no certificates here (--tls)");
		return;
	}
	int rc = channel_connect(&link->channel, transport->channels, address, transport->tls, &channel_ops, link);
	if (rc != 0) {
		link->channel = NULL;
		fail(link, strerror(-rc));
	}
}

static void on_resolved(void *arg, int status, const struct resolved *resolved, const char *sentence)
{
	struct link *link = arg;
	if (status != 0) {
		complain(link, link->address, sentence);
		wait(link);
		return;
	}
	link->resolved = *resolved;
	link->turn = 0;
	dial_next(link);
}

static void dial(struct link *link)
{
	struct resolver *resolver = link->transport->resolver;
	size_t prefix = strlen(SERVICE_PREFIX);
	bool service = strncmp(link->address, SERVICE_PREFIX, prefix) == 0;
	link->state = LINK_RESOLVING;
	int rc = service ? resolve_service(resolver, link->address + prefix, on_resolved, link)
	                 : resolve_address(resolver, link->address, on_resolved, link);
	if (rc != 0) {
		complain(link, link->address, strerror(-rc));
		wait(link);
	}
}

/* ---- The list ---- */

static void destroy(struct link *link)
{
	struct transport *transport = link->transport;
	struct link **at = &transport->links;
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	transport->link_count--;
	resolve_cancel(transport->resolver, link);
	drop_channel(link);
	free(link);
}

static struct link *create(struct transport *transport, uint64_t member, const char *address)
{
	size_t size = strlen(address);
	if (transport->link_count == TRANSPORT_LINKS_MAX || size == 0 || size >= SERVICE_ADDRESS_SIZE)
		return NULL;
	struct link *link = calloc(1, sizeof *link);
	if (link == NULL)
		return NULL;
	link->transport = transport;
	link->member = member;
	memcpy(link->address, address, size + 1);
	link->state = LINK_WAITING;
	link->next = transport->links;
	transport->links = link;
	transport->link_count++;
	return link;
}

/* By the member's id, or where that is not known by the address. A member whose address has changed gets a new one. */
struct link *link_find(struct transport *transport, uint64_t member, const char *address)
{
	if (member != 0 && address[0] == '\0') {
		address = guest_address(transport, member);
		if (address == NULL)
			return NULL;
	}
	struct link *link = transport->links;
	while (link != NULL && (link->member != member || (member == 0 && strcmp(link->address, address) != 0)))
		link = link->next;
	if (link != NULL && strcmp(link->address, address) != 0) {
		destroy(link);
		link = NULL;
	}
	if (link == NULL)
		link = create(transport, member, address);
	if (link == NULL)
		return NULL;
	link->used_ms = transport_now(transport);
	if (link->state == LINK_WAITING && link->at_ms <= link->used_ms)
		dial(link);
	return link;
}

/* What is said while a link is made waits, as far as there is room: the first message to a new member need not be lost.
 * What is said while it waits to be dialled again is. */
static void keep(struct link *link, const void *head, size_t head_size, const struct message *message)
{
	size_t size = link->early_size + head_size + message->size;
	if (link->state == LINK_WAITING || size > TRANSPORT_EARLY_SIZE_MAX)
		return;
	unsigned char *early = realloc(link->early, size);
	if (early == NULL)
		return;
	memcpy(early + link->early_size, head, head_size);
	if (message->size > 0)
		memcpy(early + link->early_size + head_size, message->data, message->size);
	link->early = early;
	link->early_size = size;
}

void link_send(struct link *link, const struct message *message)
{
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	size_t head_size = wire_encode_message(message, head);
	if (link->state != LINK_OPEN) {
		keep(link, head, head_size, message);
		return;
	}
	if (channel_backlog(link->channel) + message->size > TRANSPORT_BACKLOG_SIZE_MAX)
		return;
	channel_write(link->channel, head, head_size);
	channel_write(link->channel, message->data, message->size);
}

static void tick(struct link *link, uint64_t now_ms)
{
	if (now_ms - link->used_ms > (link->member == 0 ? TRANSPORT_SEED_IDLE_MS : TRANSPORT_IDLE_MS)) {
		destroy(link);
		return;
	}
	switch (link->state) {
	case LINK_WAITING:
		if (now_ms >= link->at_ms)
			dial(link);
		break;
	case LINK_CONNECTING:
		if (now_ms >= link->at_ms)
			fail(link, "it does not answer");
		break;
	case LINK_GREETING:
		if (now_ms >= link->at_ms)
			fail(link, "it does not greet");
		break;
	case LINK_RESOLVING: /* the resolver has a time-out of its own */
	case LINK_OPEN:
		break;
	}
}

void links_tick(struct transport *transport, uint64_t now_ms)
{
	for (struct link *link = transport->links, *next; link != NULL; link = next) {
		next = link->next;
		tick(link, now_ms);
	}
}

void links_close(struct transport *transport)
{
	while (transport->links != NULL)
		destroy(transport->links);
}
