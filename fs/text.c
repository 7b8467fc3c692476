/* text: small files that are made when they are asked for. */
#include "fs/private.h"

#include "fs/retention.h"
#include "observe/observe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An open one: its reader sees one text, however many reads that takes. */
struct text_handle {
	struct handle handle;
	char *text;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int print(char **text, size_t *size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int printed = vasprintf(text, format, args);
	va_end(args);
	if (printed < 0)
		return -ENOMEM;
	*size = (size_t)printed;
	return 0;
}

static int render_number(uint64_t number, char **text, size_t *size)
{
	return print(text, size, "%" PRIu64 "\n", number);
}

static int render_retention(const struct service_state *state, char **text, size_t *size)
{
	const struct retention retention = {.bytes = state->retain_bytes, .time_ns = state->retain_ns};
	char line[RETENTION_TEXT_SIZE];
	retention_print(&retention, line);
	return print(text, size, "%s\n", line);
}

static int render_health(const struct service_state *state, char **text, size_t *size)
{
	if (state->failure != 0)
		return print(text, size, "appends are refused here since a failure: %s\n", strerror(-state->failure));
	if (state->removed)
		return print(text, size, "this member was removed from the cluster: nothing can be appended here\n");
	if (state->leader == 0)
		return print(text, size, "there is no leader: appends wait for one\n");
	return print(text, size, "ok\n");
}

static int render_metrics(struct fs *fs, char **text, size_t *size)
{
	struct service_figure figures[SERVICE_FIGURES_MAX];
	struct observe_gauge gauges[SERVICE_FIGURES_MAX];
	size_t count = service_figures(fs->service, figures);
	for (size_t i = 0; i < count; i++)
		gauges[i] = (struct observe_gauge){figures[i].name, figures[i].help, figures[i].value};
	return observe_render(gauges, count, text, size);
}

static int render_member(struct fs *fs, uint64_t node, char **text, size_t *size)
{
	struct service_member member;
	int rc = member_by_id(fs, node_number(node), &member);
	if (rc != 0)
		return rc;
	switch (node_kind(node)) {
	case NODE_MEMBER_ID:
		return render_number(member.id, text, size);
	case NODE_MEMBER_ADDRESS:
		return print(text, size, "%s\n", member.address);
	case NODE_MEMBER_ROLE:
		return print(text, size, "%s\n", service_role_name(member.role));
	case NODE_MEMBER_STATE:
		return print(text, size, "%s\n", service_member_state_name(member.state));
	case NODE_MEMBER_MATCH:
		return render_number(member.match, text, size);
	default:
		return render_number(member.lag, text, size);
	}
}

/* The access list that is in force: empty where there is none. */
static int render_list(struct fs *fs, char **text, size_t *size)
{
	struct service_setting settings[SERVICE_SETTINGS_MAX];
	size_t count = service_settings(fs->service, settings, SERVICE_SETTINGS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_SETTINGS_MAX; i++)
		if (strcmp(settings[i].key, AUTH_ACL_KEY) == 0)
			return print(text, size, "%.*s", (int)settings[i].size, (const char *)settings[i].value);
	return print(text, size, "%s", "");
}

int text_render(struct fs *fs, uint64_t node, char **text, size_t *size)
{
	struct service_state state;
	service_state(fs->service, &state);
	switch (node_kind(node)) {
	case NODE_ACL:
		return render_list(fs, text, size);
	case NODE_FIRST:
		return render_number(state.first_offset, text, size);
	case NODE_NEXT:
		return render_number(state.next_offset, text, size);
	case NODE_RETENTION:
		return render_retention(&state, text, size);
	case NODE_HEALTH:
		return render_health(&state, text, size);
	case NODE_METRICS:
		return render_metrics(fs, text, size);
	case NODE_VERSION:
		return print(text, size, "%s\n", CLOG_VERSION);
	case NODE_CONFIG:
		return print(text, size, "%s", fs->config);
	case NODE_TERM:
		return render_number(state.term, text, size);
	case NODE_COMMIT:
		return render_number(state.commit, text, size);
	default:
		return render_member(fs, node, text, size);
	}
}

static void finish(struct handle *handle)
{
	free(((struct text_handle *)handle)->text);
}

static void open_text(struct fs *fs, fuse_req_t req, struct auth_principal opener, char *text, size_t size,
                      struct fuse_file_info *file)
{
	struct text_handle *handle = handle_create(fs, sizeof *handle, opener, finish);
	if (handle == NULL) {
		free(text);
		reply_error(req, -ENOMEM);
		return;
	}
	handle->text = text; /* the handle's from here on */
	handle->size = size;
	file->direct_io = 1;
	file->noflush = 1;
	handle_open(req, file, &handle->handle);
}

/* An opening of next, which waits for the log's end as the leader has it. */
struct next_opening {
	struct command command;
	struct auth_principal opener;
	struct fuse_file_info file;
};

static void end_told(struct command *command, fuse_req_t req, int status)
{
	struct next_opening *opening = (struct next_opening *)command;
	char *text;
	size_t size;
	if (status == 0)
		status = render_number(command->command.value, &text, &size);
	if (status == 0)
		open_text(command->pending.fs, req, opening->opener, text, size, &opening->file);
	else
		reply_error(req, status);
}

static void open_next(struct fs *fs, fuse_req_t req, const struct fuse_file_info *file)
{
	struct next_opening *opening = calloc(1, sizeof *opening);
	if (opening == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	opening->opener = access_caller(req);
	opening->file = *file;
	opening->command.command.kind = SERVICE_END;
	opening->command.pending.any_signal = true;
	opening->command.answered = end_told;
	command_start(&opening->command, fs, req);
}

static bool settings_known(const struct fs *fs)
{
	struct service_state state;
	service_state(fs->service, &state);
	return state.settings_known;
}

void text_open(struct fs *fs, fuse_req_t req, uint64_t node, struct fuse_file_info *file)
{
	char *text;
	size_t size;
	if (node_kind(node) == NODE_NEXT) {
		open_next(fs, req, file);
		return;
	}
	int rc = node_kind(node) == NODE_ACL && !settings_known(fs) ? -EAGAIN : text_render(fs, node, &text, &size);
	if (rc == 0)
		open_text(fs, req, access_caller(req), text, size, file);
	else
		reply_error(req, rc);
}

void text_read(fuse_req_t req, size_t size, off_t position, const struct fuse_file_info *file)
{
	struct text_handle *handle = handle_of(file);
	reply_piece(req, handle->text, handle->size, size, position);
}
