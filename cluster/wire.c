#include "cluster/wire.h"

#include "cluster/identity.h"
#include "proto/peer.pb-c.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- Memory for decoding: a piece of the stack, so that what a stranger sends has a bound ---- */

struct arena {
	size_t used;
	_Alignas(16) unsigned char bytes[4096];
};

static void *arena_alloc(void *arg, size_t size)
{
	struct arena *arena = arg;
	size_t rounded = (size + 15) & ~(size_t)15;
	if (size > sizeof arena->bytes || rounded > sizeof arena->bytes - arena->used)
		return NULL;
	void *memory = arena->bytes + arena->used;
	arena->used += rounded;
	return memory;
}

static void arena_free(void *arg, void *memory)
{
}

static void *unpack(const ProtobufCMessageDescriptor *kind, struct arena *arena, const void *header, size_t size)
{
	ProtobufCAllocator allocator = {.alloc = arena_alloc, .free = arena_free, .allocator_data = arena};
	arena->used = 0;
	return protobuf_c_message_unpack(kind, &allocator, size, header);
}

/* ---- Hello and welcome ---- */

static size_t pack(const ProtobufCMessage *body, size_t data_size, unsigned char head[WIRE_HEAD_SIZE_MAX])
{
	size_t size = protobuf_c_message_get_packed_size(body);
	assert(size > 0 && size <= WIRE_HEAD_SIZE_MAX - 8 && data_size <= UINT32_MAX);
	uint32_t sizes[2] = {htole32((uint32_t)size), htole32((uint32_t)data_size)};
	memcpy(head, sizes, sizeof sizes);
	return sizeof sizes + protobuf_c_message_pack(body, head + sizeof sizes);
}

size_t wire_encode_hello(const struct wire_hello *hello, unsigned char head[WIRE_HEAD_SIZE_MAX])
{
	Peer__Hello body = PEER__HELLO__INIT;
	body.version = hello->version;
	body.cluster = hello->cluster;
	body.cluster_name = (char *)hello->cluster_name;
	body.member = hello->member;
	body.name = (char *)hello->name;
	body.address = (char *)hello->address;
	body.rpc_address = (char *)hello->rpc_address;
	body.wanted = hello->wanted;
	return pack(&body.base, 0, head);
}

size_t wire_encode_welcome(const struct wire_hello *welcome, unsigned char head[WIRE_HEAD_SIZE_MAX])
{
	Peer__Welcome body = PEER__WELCOME__INIT;
	body.version = welcome->version;
	body.cluster = welcome->cluster;
	body.cluster_name = (char *)welcome->cluster_name;
	body.member = welcome->member;
	body.name = (char *)welcome->name;
	body.refused = (char *)welcome->refused;
	return pack(&body.base, 0, head);
}

/* Texts of strangers are told in events and sentences: they are printable ASCII, or nothing of them is taken. */
static bool take_text(char *to, size_t capacity, const char *from)
{
	size_t size = strlen(from);
	if (size >= capacity)
		return false;
	for (size_t i = 0; i < size; i++)
		if (from[i] < ' ' || from[i] > '~')
			return false;
	memcpy(to, from, size + 1);
	return true;
}

int wire_decode_hello(const void *header, size_t size, struct wire_hello *hello)
{
	struct arena arena;
	*hello = (struct wire_hello){0};
	const Peer__Hello *body = unpack(&peer__hello__descriptor, &arena, header, size);
	if (body == NULL)
		return -EBADMSG;
	hello->version = body->version;
	if (body->version != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	hello->cluster = body->cluster;
	hello->member = body->member;
	hello->wanted = body->wanted;
	bool right = take_text(hello->cluster_name, sizeof hello->cluster_name, body->cluster_name) &&
	             take_text(hello->name, sizeof hello->name, body->name) &&
	             take_text(hello->address, sizeof hello->address, body->address) &&
	             take_text(hello->rpc_address, sizeof hello->rpc_address, body->rpc_address) &&
	             identity_name_ok(hello->name) && identity_name_ok(hello->cluster_name) && hello->member != 0 &&
	             hello->member >> 48 == 0;
	return right ? 0 : -EBADMSG;
}

int wire_decode_welcome(const void *header, size_t size, struct wire_hello *welcome)
{
	struct arena arena;
	*welcome = (struct wire_hello){0};
	const Peer__Welcome *body = unpack(&peer__welcome__descriptor, &arena, header, size);
	if (body == NULL || !take_text(welcome->refused, sizeof welcome->refused, body->refused))
		return -EBADMSG;
	welcome->version = body->version;
	if (body->version != WIRE_VERSION)
		return -EPROTONOSUPPORT;
	welcome->cluster = body->cluster;
	welcome->member = body->member;
	bool right = take_text(welcome->cluster_name, sizeof welcome->cluster_name, body->cluster_name) &&
	             take_text(welcome->name, sizeof welcome->name, body->name);
	if (welcome->refused[0] == '\0')
		right = right && identity_name_ok(welcome->name) && identity_name_ok(welcome->cluster_name) &&
		        welcome->member != 0 && welcome->member >> 48 == 0;
	return right ? 0 : -EBADMSG;
}

/* ---- Messages ---- */

/* The body that each type has. */
static const Peer__Header__BodyCase bodies[] = {
	[MESSAGE_VOTE] = PEER__HEADER__BODY_VOTE,
	[MESSAGE_VOTE_RESULT] = PEER__HEADER__BODY_VOTE_RESULT,
	[MESSAGE_APPEND] = PEER__HEADER__BODY_APPEND,
	[MESSAGE_APPEND_RESULT] = PEER__HEADER__BODY_APPEND_RESULT,
	[MESSAGE_INSTALL] = PEER__HEADER__BODY_INSTALL,
	[MESSAGE_TIMEOUT_NOW] = PEER__HEADER__BODY_TIMEOUT_NOW,
	[MESSAGE_ECHO] = PEER__HEADER__BODY_ROUND,
	[MESSAGE_ECHO_RESULT] = PEER__HEADER__BODY_ROUND,
	[MESSAGE_FORWARD] = PEER__HEADER__BODY_REQUEST,
	[MESSAGE_CONTROL] = PEER__HEADER__BODY_REQUEST,
	[MESSAGE_END] = PEER__HEADER__BODY_REQUEST,
	[MESSAGE_JOIN] = PEER__HEADER__BODY_REQUEST,
	[MESSAGE_CHANGE] = PEER__HEADER__BODY_REQUEST,
	[MESSAGE_RESULT] = PEER__HEADER__BODY_RESULT,
	[MESSAGE_LEADER] = PEER__HEADER__BODY_CONFIGURATION,
	[MESSAGE_FETCH] = PEER__HEADER__BODY_FETCH,
	[MESSAGE_FETCH_RESULT] = PEER__HEADER__BODY_FETCH,
	[MESSAGE_REMOVED] = PEER__HEADER__BODY_CONFIGURATION,
	[MESSAGE_ALIVE] = PEER__HEADER__BODY_ALIVE,
};

/* The bodies that a header may have, for encoding. */
union body {
	Peer__Vote vote;
	Peer__VoteResult vote_result;
	Peer__Append append;
	Peer__AppendResult append_result;
	Peer__Install install;
	Peer__TimeoutNow timeout_now;
	Peer__Request request;
	Peer__Result result;
	Peer__Fetch fetch;
	Peer__Alive alive;
};

static void fill_raft_body(const struct message *message, Peer__Header *header, union body *body)
{
	const struct log_tail *base = &message->install.base;
	switch (header->body_case) {
	case PEER__HEADER__BODY_VOTE:
		body->vote = (Peer__Vote){PROTOBUF_C_MESSAGE_INIT(&peer__vote__descriptor), message->vote.last_entry,
		                          message->vote.last_term, message->vote.disrupt, message->vote.pre};
		header->vote = &body->vote;
		break;
	case PEER__HEADER__BODY_VOTE_RESULT:
		body->vote_result = (Peer__VoteResult){PROTOBUF_C_MESSAGE_INIT(&peer__vote_result__descriptor),
		                                       message->vote_result.granted, message->vote_result.pre};
		header->vote_result = &body->vote_result;
		break;
	case PEER__HEADER__BODY_APPEND:
		body->append = (Peer__Append){PROTOBUF_C_MESSAGE_INIT(&peer__append__descriptor), message->append.entry,
		                              message->append.entry_term, message->append.commit,
		                              message->append.count};
		header->append = &body->append;
		break;
	case PEER__HEADER__BODY_APPEND_RESULT:
		body->append_result = (Peer__AppendResult){
			PROTOBUF_C_MESSAGE_INIT(&peer__append_result__descriptor), message->append_result.rejected,
			message->append_result.last_entry, message->append_result.stale, message->append_result.full};
		header->append_result = &body->append_result;
		break;
	case PEER__HEADER__BODY_INSTALL:
		body->install = (Peer__Install){PROTOBUF_C_MESSAGE_INIT(&peer__install__descriptor),
		                                base->entry,
		                                base->term,
		                                base->next_offset,
		                                base->stream_size,
		                                base->time_ns,
		                                base->chain,
		                                message->install.first_offset,
		                                message->install.first_stream};
		header->install = &body->install;
		break;
	default:
		body->timeout_now = (Peer__TimeoutNow){PROTOBUF_C_MESSAGE_INIT(&peer__timeout_now__descriptor),
		                                       message->timeout_now.last_entry, message->timeout_now.last_term};
		header->timeout_now = &body->timeout_now;
		break;
	}
}

static void fill_body(const struct message *message, Peer__Header *header, union body *body)
{
	const struct message_request *request = &message->request;
	const struct message_result *result = &message->result;
	switch (header->body_case) {
	case PEER__HEADER__BODY_ROUND:
		header->round = message->round;
		break;
	case PEER__HEADER__BODY_CONFIGURATION:
		header->configuration = message->configuration;
		break;
	case PEER__HEADER__BODY_REQUEST:
		body->request = (Peer__Request){PROTOBUF_C_MESSAGE_INIT(&peer__request__descriptor),
		                                request->number,
		                                request->session,
		                                request->sequence,
		                                request->expected,
		                                request->member,
		                                (uint32_t)request->change,
		                                request->key};
		header->request = &body->request;
		break;
	case PEER__HEADER__BODY_RESULT:
		body->result = (Peer__Result){PROTOBUF_C_MESSAGE_INIT(&peer__result__descriptor),
		                              result->number,
		                              result->status,
		                              result->value,
		                              result->entry,
		                              result->entry_term};
		header->result = &body->result;
		break;
	case PEER__HEADER__BODY_FETCH:
		body->fetch = (Peer__Fetch){PROTOBUF_C_MESSAGE_INIT(&peer__fetch__descriptor),
		                            message->fetch.first_entry, message->fetch.last_entry,
		                            message->fetch.count};
		header->fetch = &body->fetch;
		break;
	case PEER__HEADER__BODY_ALIVE:
		body->alive = (Peer__Alive){PROTOBUF_C_MESSAGE_INIT(&peer__alive__descriptor), message->alive.match,
		                            message->alive.candidate};
		header->alive = &body->alive;
		break;
	default:
		fill_raft_body(message, header, body);
		break;
	}
}

size_t wire_encode_message(const struct message *message, unsigned char head[WIRE_HEAD_SIZE_MAX])
{
	Peer__Header header = PEER__HEADER__INIT;
	union body body;
	header.type = message->type;
	header.term = message->term;
	header.cluster = message->cluster;
	header.start = message->start;
	header.number = message->number;
	header.body_case = bodies[message->type];
	fill_body(message, &header, &body);
	return pack(&header.base, message->size, head);
}

static void take_install(const Peer__Install *from, struct message_install *to)
{
	*to = (struct message_install){.base = {.entry = from->entry,
	                                        .term = from->term,
	                                        .next_offset = from->next_offset,
	                                        .stream_size = from->stream_size,
	                                        .time_ns = from->time_ns,
	                                        .chain = from->chain},
	                               .first_offset = from->first_offset,
	                               .first_stream = from->first_stream};
}

static void take_raft_body(const Peer__Header *header, struct message *message)
{
	switch (header->body_case) {
	case PEER__HEADER__BODY_VOTE:
		message->vote = (struct message_vote){header->vote->last_entry, header->vote->last_term,
		                                      header->vote->disrupt, header->vote->pre};
		break;
	case PEER__HEADER__BODY_VOTE_RESULT:
		message->vote_result = (struct message_vote_result){header->vote_result->granted,
		                                                    header->vote_result->pre};
		break;
	case PEER__HEADER__BODY_APPEND:
		message->append = (struct message_append){header->append->entry, header->append->entry_term,
		                                          header->append->commit, header->append->count};
		break;
	case PEER__HEADER__BODY_APPEND_RESULT:
		message->append_result = (struct message_append_result){
			header->append_result->rejected, header->append_result->last_entry,
			header->append_result->stale, header->append_result->full};
		break;
	case PEER__HEADER__BODY_INSTALL:
		take_install(header->install, &message->install);
		break;
	default:
		message->timeout_now = (struct message_timeout_now){header->timeout_now->last_entry,
		                                                    header->timeout_now->last_term};
		break;
	}
}

static int take_body(const Peer__Header *header, struct message *message)
{
	switch (header->body_case) {
	case PEER__HEADER__BODY_ROUND:
		message->round = header->round;
		return 0;
	case PEER__HEADER__BODY_CONFIGURATION:
		message->configuration = header->configuration;
		return 0;
	case PEER__HEADER__BODY_REQUEST:
		if (header->request->change > CHANGE_TRANSFER)
			return -EBADMSG;
		message->request = (struct message_request){
			header->request->number,   header->request->session,
			header->request->sequence, header->request->expected,
			header->request->member,   (enum message_change)header->request->change,
			header->request->key};
		return 0;
	case PEER__HEADER__BODY_RESULT:
		if (header->result->status > 0 || header->result->status < -4095)
			return -EBADMSG;
		message->result = (struct message_result){header->result->number, header->result->status,
		                                          header->result->value, header->result->entry,
		                                          header->result->entry_term};
		return 0;
	case PEER__HEADER__BODY_FETCH:
		message->fetch = (struct message_fetch){header->fetch->first_entry, header->fetch->last_entry,
		                                        header->fetch->count};
		return 0;
	case PEER__HEADER__BODY_ALIVE:
		message->alive = (struct message_alive){header->alive->match, header->alive->candidate};
		return 0;
	default:
		take_raft_body(header, message);
		return 0;
	}
}

int wire_decode_message(const void *header, size_t size, struct message *message)
{
	struct arena arena;
	*message = (struct message){0};
	const Peer__Header *body = unpack(&peer__header__descriptor, &arena, header, size);
	if (body == NULL || body->type < MESSAGE_VOTE || body->type > MESSAGE_ALIVE ||
	    body->body_case != bodies[body->type])
		return -EBADMSG;
	message->type = (enum message_type)body->type;
	message->term = body->term;
	message->cluster = body->cluster;
	message->start = body->start;
	message->number = body->number;
	return take_body(body, message);
}
