/* admin: what changes the log and the cluster: written to first, retention, acl and a member's role, and a member removed.
 * Each write is one command. Programs see an errno of it, and the event log says why. */
#include "fs/private.h"

#include "error/error.h"
#include "fs/retention.h"
#include "observe/observe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 128 /* bytes of what may be written, its NUL included: more is nothing that is understood */

struct admin_command {
	struct command command;
	size_t size;                       /* of the write; 0 for a removal */
	uid_t uid;                         /* who did it */
	char file[SERVICE_NAME_SIZE + 32]; /* for the events */
	char text[TEXT_SIZE];
	char list[]; /* acl: what was written */
};

bool admin_writable(enum node_kind kind)
{
	return kind == NODE_FIRST || kind == NODE_RETENTION || kind == NODE_MEMBER_ROLE || kind == NODE_ACL;
}

static void answered(struct command *command, fuse_req_t req, int status)
{
	const struct admin_command *admin = (const struct admin_command *)command;
	const struct observe_field fields[] = {OBSERVE_TEXT("file", admin->file), OBSERVE_TEXT("text", admin->text),
	                                       OBSERVE_NUMBER("uid", admin->uid),
	                                       OBSERVE_TEXT("error", strerror(reply_errno(status)))};
	/* The error comes last, and is left out where there is none. */
	observe_event_fields(status == 0 ? OBSERVE_INFO : OBSERVE_WARNING, status == 0 ? "admin_done" : "admin_failed",
	                     fields, status == 0 ? 3 : 4);
	if (status == 0 && admin->size > 0)
		reply_written(req, admin->size);
	else
		reply_error(req, status);
}

/* Names the node in events. */
static void name_node(struct fs *fs, uint64_t node, char *name, size_t size)
{
	struct service_member member;
	const char *kind = node_type(node_kind(node))->name;
	if (node_kind(node) == NODE_ACL)
		snprintf(name, size, "%s", kind);
	else if (node_kind(node) != NODE_MEMBER_ROLE)
		snprintf(name, size, "log/%s", kind);
	else if (member_by_id(fs, node_number(node), &member) == 0)
		snprintf(name, size, "cluster/%s/%s", member.name, kind);
	else
		snprintf(name, size, "cluster/?/%s", kind);
}

static struct admin_command *admin_create(uid_t uid, size_t list_size)
{
	struct admin_command *admin = calloc(1, sizeof *admin + list_size);
	if (admin == NULL)
		return NULL;
	admin->uid = uid;
	admin->command.answered = answered;
	return admin;
}

/* Takes what was written as a text: without the newline at its end. False when it is none. */
static bool take_text(const char *data, size_t size, char text[static TEXT_SIZE])
{
	if (size > 0 && data[size - 1] == '\n')
		size--;
	if (size >= TEXT_SIZE || memchr(data, '\0', size) != NULL)
		return false;
	memcpy(text, data, size);
	text[size] = '\0';
	return true;
}

static bool parse_role(const char *text, struct service_command *command)
{
	command->kind = SERVICE_TRANSFER;
	if (strcmp(text, "leader") == 0)
		return true;
	command->kind = SERVICE_SET_ROLE;
	for (enum service_role role = SERVICE_VOTER; role <= SERVICE_SPARE; role++)
		if (strcmp(text, service_role_name(role)) == 0) {
			command->role = role;
			return true;
		}
	return false;
}

static bool parse_retention(const char *text, struct service_command *command)
{
	struct retention retention;
	if (retention_parse(&retention, text) != 0)
		return false;
	command->kind = SERVICE_RETAIN;
	command->bytes = retention.bytes;
	command->time_ns = retention.time_ns;
	return true;
}

/* Makes a command of a text. When it is none, gives a sentence of what may be written. */
static bool parse(uint64_t node, const char *text, struct service_command *command, const char **allowed)
{
	switch (node_kind(node)) {
	case NODE_FIRST:
		*allowed = "the lowest offset to keep, in decimal, up to what log/next says";
		command->kind = SERVICE_TRIM;
		return records_offset(text, &command->offset);
	case NODE_RETENTION:
		*allowed = retention_allowed;
		return parse_retention(text, command);
	default:
		*allowed = "voter, standby, spare, or leader";
		command->member = node_number(node);
		return parse_role(text, command);
	}
}

/* Takes a list that is written in one piece. */
static int check_list(const struct write *write, struct clog_error *err)
{
	if (write->position != 0)
		return clog_error_set(err, -EINVAL,
		                      "a list is written whole, by one write, and nothing is added to one");
	return auth_acl_check(write->data, write->size, err);
}

static void write_list(struct fs *fs, const struct write *write, uid_t uid)
{
	struct clog_error err = {0};
	int rc = check_list(write, &err);
	struct admin_command *admin = rc == 0 ? admin_create(uid, write->size) : NULL;
	if (rc == -EINVAL || rc == -EMSGSIZE)
		observe_event(OBSERVE_WARNING, "admin_refused", OBSERVE_TEXT("file", AUTH_ACL_KEY),
		              OBSERVE_NUMBER("size", write->size), OBSERVE_NUMBER("uid", uid),
		              OBSERVE_TEXT("reason", err.text));
	if (admin == NULL) {
		reply_error(write->req, rc != 0 ? rc : -ENOMEM);
		return;
	}
	name_node(fs, write->node, admin->file, sizeof admin->file);
	snprintf(admin->text, sizeof admin->text, "%zu bytes", write->size);
	memcpy(admin->list, write->data, write->size);
	admin->size = write->size;
	admin->command.command.kind = SERVICE_SET;
	admin->command.command.key = AUTH_ACL_KEY;
	admin->command.command.setting = admin->list;
	admin->command.command.setting_size = write->size;
	command_start(&admin->command, fs, write->req);
}

void admin_write(struct fs *fs, const struct write *write)
{
	const char *allowed = NULL;
	const struct handle *handle = handle_of(&write->file);
	if (node_kind(write->node) == NODE_ACL) {
		write_list(fs, write, handle->opener.uid);
		return;
	}
	struct admin_command *admin = admin_create(handle->opener.uid, 0);
	if (admin == NULL) {
		reply_error(write->req, -ENOMEM);
		return;
	}
	name_node(fs, write->node, admin->file, sizeof admin->file);
	bool text = take_text(write->data, write->size, admin->text);
	if (!parse(write->node, admin->text, &admin->command.command, &allowed) || !text) {
		observe_event(OBSERVE_WARNING, "admin_refused", OBSERVE_TEXT("file", admin->file),
		              OBSERVE_TEXT("text", text ? admin->text : "(none)"), OBSERVE_NUMBER("uid", admin->uid),
		              OBSERVE_TEXT("allowed", allowed));
		free(admin);
		reply_error(write->req, -EINVAL);
		return;
	}
	admin->size = write->size;
	command_start(&admin->command, fs, write->req);
}

void admin_remove(struct fs *fs, fuse_req_t req, const char *name)
{
	struct service_member member;
	int rc = member_by_name(fs, name, &member);
	struct admin_command *admin = rc == 0 ? admin_create(fuse_req_ctx(req)->uid, 0) : NULL;
	if (admin == NULL) {
		reply_error(req, rc != 0 ? rc : -ENOMEM);
		return;
	}
	snprintf(admin->file, sizeof admin->file, "cluster/%s", member.name);
	snprintf(admin->text, sizeof admin->text, "rmdir");
	admin->command.command.kind = SERVICE_REMOVE;
	admin->command.command.member = member.id;
	command_start(&admin->command, fs, req);
}

void admin_remove_list(struct fs *fs, fuse_req_t req)
{
	struct admin_command *admin = admin_create(fuse_req_ctx(req)->uid, 0);
	if (admin == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	snprintf(admin->file, sizeof admin->file, AUTH_ACL_KEY);
	snprintf(admin->text, sizeof admin->text, "rm");
	admin->command.command.kind = SERVICE_SET;
	admin->command.command.key = AUTH_ACL_KEY;
	command_start(&admin->command, fs, req);
}
