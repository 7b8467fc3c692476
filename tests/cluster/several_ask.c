/* Asking members for things, and waiting for the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

/* ---- Asking ---- */

static bool is_answered(struct several *several, void *arg)
{
	return ((const struct sent *)arg)->answers > 0;
}

int several_answer(struct several *several, struct sent *sent)
{
	assert_int_equal(sent->refused, 0);
	several_await(several, is_answered, sent, "the answer to an append");
	assert_int_equal(sent->answers, 1);
	return sent->append.status;
}

uint64_t several_append(struct several *several, size_t i, const char *text)
{
	struct sent sent = {0};
	member_send_text(several_member(several, i), &sent, text);
	assert_int_equal(several_answer(several, &sent), 0);
	return sent.append.first_offset;
}

static void on_append_at(struct service_append *append, void *arg)
{
	struct sent *sent = arg;
	if (!sent->member->dying)
		sent->answers++;
}

void several_send_at(struct several *several, size_t i, struct sent *sent, uint64_t expected, const char *text)
{
	uint32_t size = (uint32_t)strlen(text);
	*sent = (struct sent){.member = several_member(several, i)};
	sent->refused = service_append_at(sent->member->service, &sent->append, expected, text, &size, 1, on_append_at,
	                                  sent);
}

static void on_told(struct service_command *command, void *arg)
{
	struct told *told = arg;
	if (!told->node->member.dying)
		told->answers++;
}

void several_tell(struct several *several, size_t i, struct told *told)
{
	told->node = &several->nodes[i];
	told->answers = 0;
	told->refused = service_command(told->node->member.service, &told->command, on_told, told);
}

static bool is_told(struct several *several, void *arg)
{
	return ((const struct told *)arg)->answers > 0;
}

int several_command(struct several *several, size_t i, struct told *told)
{
	several_tell(several, i, told);
	assert_int_equal(told->refused, 0);
	several_await(several, is_told, told, "the answer to a command");
	assert_int_equal(told->answers, 1);
	return told->command.status;
}

int several_set_role(struct several *several, size_t at, size_t i, enum service_role role)
{
	struct told told = {.command = {.kind = SERVICE_SET_ROLE, .member = several->nodes[i].id, .role = role}};
	return several_command(several, at, &told);
}

int several_remove(struct several *several, size_t at, size_t i)
{
	struct told told = {.command = {.kind = SERVICE_REMOVE, .member = several->nodes[i].id}};
	return several_command(several, at, &told);
}

int several_transfer(struct several *several, size_t at, size_t i)
{
	struct told told = {.command = {.kind = SERVICE_TRANSFER, .member = several->nodes[i].id}};
	return several_command(several, at, &told);
}

uint64_t several_end(struct several *several, size_t i)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	assert_int_equal(several_command(several, i, &told), 0);
	return told.command.value;
}
