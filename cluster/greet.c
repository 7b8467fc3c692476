/* Connections that came. Who is there has to say so, and be a member of this cluster by its certificate, or one that would
 * be; until then it gets no more than a few hundred bytes and seconds. */
#include "cluster/transport_state.h"

#include "cluster/configuration.h"
#include "observe/observe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct guest *guest)
{
	struct transport *transport = guest->transport;
	struct guest **at = &transport->guests;
	while (*at != guest)
		at = &(*at)->next;
	*at = guest->next;
	transport->guest_count--;
	channel_destroy(guest->channel);
	wire_reader_finish(&guest->reader);
	free(guest);
}

static void complain(struct guest *guest, const char *sentence)
{
	uint64_t count;
	if (notice_due(guest->transport, guest->from, sentence, &count))
		observe_event(OBSERVE_WARNING, "peer_refused", OBSERVE_TEXT("address", guest->from),
		              OBSERVE_TEXT("name", guest->name), OBSERVE_TEXT("reason", sentence),
		              OBSERVE_NUMBER("count", count));
}

/* ---- The greeting ---- */

/* Why this hello is not welcome; false when it is. */
static bool is_refused(struct guest *guest, const struct wire_hello *hello, const struct wire_hello *self,
                       char sentence[WIRE_REFUSAL_SIZE])
{
	struct transport *transport = guest->transport;
	if (!transport_trusts(transport, guest->channel, hello->name, sentence))
		return true;
	if (strcmp(hello->cluster_name, self->cluster_name) != 0) {
		snprintf(sentence, WIRE_REFUSAL_SIZE, "%s is of the cluster %s, and %s of %s", hello->name,
		         hello->cluster_name, self->name, self->cluster_name);
		return true;
	}
	if (hello->cluster != 0 && self->cluster != 0 && hello->cluster != self->cluster) {
		snprintf(sentence, WIRE_REFUSAL_SIZE,
		         "%s and %s were founded apart: their logs are of two clusters, and cannot become one; the one "
		         "that is to join needs an empty data folder",
		         hello->name, self->name);
		return true;
	}
	if (hello->wanted != 0 && hello->wanted != self->member) {
		snprintf(sentence, WIRE_REFUSAL_SIZE, "this is %s, and not the member that is wanted", self->name);
		return true;
	}
	return transport_knows_other(transport, hello->member, hello->name, sentence);
}

/* The same member has come anew: what it said on the connection before is over. */
static void replace(struct guest *guest)
{
	for (struct guest *other = guest->transport->guests, *next; other != NULL; other = next) {
		next = other->next;
		if (other != guest && other->member == guest->member && other->seeking == guest->seeking)
			destroy(other);
	}
}

static int greet(struct guest *guest, const void *header, size_t header_size, size_t data_size)
{
	struct wire_hello hello, welcome;
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	transport_self(guest->transport, &welcome);
	int rc = data_size > 0 ? -EBADMSG : wire_decode_hello(header, header_size, &hello);
	if (rc == -EPROTONOSUPPORT) {
		snprintf(welcome.refused, sizeof welcome.refused,
		         "it speaks version %u of the protocol, and %s speaks %u", hello.version, welcome.name,
		         WIRE_VERSION);
	} else if (rc != 0) {
		return rc;
	} else {
		memcpy(guest->name, hello.name, sizeof guest->name);
		memcpy(guest->address, hello.address, sizeof guest->address);
		memcpy(guest->rpc_address, hello.rpc_address, sizeof guest->rpc_address);
		if (hello.member == welcome.member)
			snprintf(welcome.refused, sizeof welcome.refused, "it is %s itself", welcome.name);
		else
			is_refused(guest, &hello, &welcome, welcome.refused);
	}
	channel_write(guest->channel, head, wire_encode_welcome(&welcome, head));
	if (welcome.refused[0] != '\0') {
		complain(guest, welcome.refused);
		guest->leaving = true;
		return 0;
	}
	guest->member = hello.member;
	guest->seeking = hello.wanted == 0;
	guest->reader.data_size_max = MESSAGE_SIZE_MAX;
	replace(guest);
	return 0;
}

/* Who asks to join does so under the name that it has greeted with, which is its certificate's. */
static bool is_for_other(const struct guest *guest, const struct message *message)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count;
	return message->type == MESSAGE_JOIN &&
	       (configuration_decode(message->data, message->size, members, &count) != 0 || count != 1 ||
	        members[0].id != guest->member || strcmp(members[0].name, guest->name) != 0);
}

static int take_unit(void *arg, const void *header, size_t header_size, const void *data, size_t data_size)
{
	struct guest *guest = arg;
	struct transport *transport = guest->transport;
	struct message message;
	if (guest->leaving)
		return -ECANCELED;
	if (guest->member == 0)
		return greet(guest, header, header_size, data_size);
	int rc = wire_decode_message(header, header_size, &message);
	if (rc != 0)
		return rc;
	message.from = guest->member;
	message.data = data;
	message.size = data_size;
	if (is_for_other(guest, &message))
		return -EACCES;
	transport->ops->receive(transport->arg, &message);
	return 0;
}

/* ---- The channel's callbacks ---- */

static void on_opened(void *arg)
{
}

static void on_bytes(void *arg, const void *data, size_t size)
{
	struct guest *guest = arg;
	int rc = wire_reader_take(&guest->reader, data, size, take_unit, guest);
	if (rc == 0 || rc == -ECANCELED)
		return;
	complain(guest, rc == -ENOMEM     ? "there is no memory for what it says"
	                : rc == -EMSGSIZE ? "a message is larger than any may be"
	                : rc == -EACCES   ? "it asks to join as another than it is"
	                                  : "it does not keep to the protocol");
	destroy(guest);
}

static void on_drained(void *arg)
{
}

static void on_closed(void *arg, int status, const char *sentence)
{
	struct guest *guest = arg;
	if (guest->member == 0 && !guest->leaving)
		complain(guest, sentence);
	destroy(guest);
}

static const struct channel_ops channel_ops = {
	.opened = on_opened, .bytes = on_bytes, .drained = on_drained, .closed = on_closed};

/* ---- Coming in ---- */

static bool same_host(const char *a, const char *b)
{
	size_t size = (size_t)(strrchr(a, ':') - a);
	return size == (size_t)(strrchr(b, ':') - b) && memcmp(a, b, size) == 0;
}

/* Whether there is room for one more, made where need be. */
static bool make_room(struct guest *fresh)
{
	struct transport *transport = fresh->transport;
	struct guest *oldest = NULL;
	size_t strangers = 0;
	for (struct guest *guest = transport->guests; guest != NULL; guest = guest->next) {
		if (guest == fresh || guest->member != 0)
			continue;
		oldest = guest;
		strangers += same_host(guest->from, fresh->from);
	}
	if (strangers >= TRANSPORT_STRANGERS_MAX) {
		complain(fresh, "too many connections from there have not said who they are");
		return false;
	}
	if (transport->guest_count > TRANSPORT_GUESTS_MAX && oldest != NULL) {
		complain(oldest, "it has not said who it is, and others are waiting");
		destroy(oldest);
	}
	return transport->guest_count <= TRANSPORT_GUESTS_MAX;
}

void guests_accept(uv_stream_t *listener, int status)
{
	struct transport *transport = listener->data;
	if (status < 0)
		return;
	struct guest *guest = calloc(1, sizeof *guest);
	int rc = guest == NULL ? -ENOMEM
	                       : channel_accept(&guest->channel, transport->channels, listener, transport->tls,
	                                        TLS_ACCEPT, &channel_ops, guest);
	/* One that is not taken must be, or the loop listens no more. */
	transport->accept_again = rc == -ENOMEM;
	if (rc != 0) {
		free(guest);
		return;
	}
	guest->transport = transport;
	guest->since_ms = transport_now(transport);
	channel_address(guest->channel, guest->from);
	guest->next = transport->guests;
	transport->guests = guest;
	transport->guest_count++;
	if (!make_room(guest))
		destroy(guest);
}

const char *guest_address(const struct transport *transport, uint64_t member)
{
	for (const struct guest *guest = transport->guests; guest != NULL; guest = guest->next)
		if (guest->member == member && guest->address[0] != '\0')
			return guest->address;
	return NULL;
}

const char *transport_rpc_address(const struct transport *transport, uint64_t member)
{
	for (const struct guest *guest = transport->guests; guest != NULL; guest = guest->next)
		if (guest->member == member && guest->rpc_address[0] != '\0')
			return guest->rpc_address;
	return "";
}

void guests_tick(struct transport *transport, uint64_t now_ms)
{
	for (struct guest *guest = transport->guests, *next; guest != NULL; guest = next) {
		next = guest->next;
		if (guest->member != 0 || now_ms < guest->since_ms + TRANSPORT_GREET_MS)
			continue;
		if (!guest->leaving)
			complain(guest, "it has not said who it is in time");
		destroy(guest);
	}
}

void guests_close(struct transport *transport)
{
	while (transport->guests != NULL)
		destroy(transport->guests);
}
