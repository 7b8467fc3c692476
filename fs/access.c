/* access: who asks, and what that user may. */
#include "fs/private.h"

#include "observe/observe.h"

#include <stdlib.h>

#define GROUPS 64     /* that most users have fewer of */
#define KNOWN_MS 1000 /* how long it is trusted that a process is in the group */

static bool contains(const gid_t *groups, int count, gid_t group)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* Whether the caller is in a group by its supplementary ones. The kernel passes on the first alone; the others are in
 * /proc, and whom it hides (another namespace's processes, say) is in none. */
static bool in_group(fuse_req_t req, gid_t group)
{
	gid_t some[GROUPS];
	int count = fuse_req_getgroups(req, GROUPS, some);
	if (count <= GROUPS)
		return contains(some, count, group);
	gid_t *all = calloc((size_t)count, sizeof *all);
	if (all == NULL)
		return false;
	int found = fuse_req_getgroups(req, count, all);
	bool is_in = contains(all, found < count ? found : count, group);
	free(all);
	return is_in;
}

/* The same, remembered for a while: an open asks some times, and /proc is slow. Who has left the group meanwhile the
 * kernel keeps out by the modes; who is not in it may enter, and is looked up again. */
static bool known_in_group(struct fs *fs, fuse_req_t req, gid_t group)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct access_known *known = &fs->known[(size_t)ctx->pid % ACCESS_KNOWN_COUNT];
	uint64_t now_ms = uv_now(fs->poll.loop);
	if (known->pid == ctx->pid && known->uid == ctx->uid && known->gid == ctx->gid && now_ms < known->until_ms)
		return true;
	if (!in_group(req, group))
		return false;
	*known = (struct access_known){
		.pid = ctx->pid, .uid = ctx->uid, .gid = ctx->gid, .until_ms = now_ms + KNOWN_MS};
	return true;
}

struct auth_principal access_caller(fuse_req_t req)
{
	struct fs *fs = fuse_req_userdata(req);
	const struct auth_policy *policy = fs->auth;
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct auth_principal caller = {.kind = AUTH_USER, .uid = ctx->uid, .gid = ctx->gid};
	/* /proc is asked only where the answer matters: where the group may do what others may not. */
	bool matters = caller.uid != 0 && caller.uid != policy->owner && caller.gid != policy->group &&
	               (policy->mode >> 3 & ~policy->mode & 06) != 0;
	if (matters && known_in_group(fs, req, policy->group))
		caller.gid = policy->group;
	return caller;
}

uint64_t access_pack(struct auth_principal principal)
{
	return (uint64_t)principal.gid << 32 | principal.uid;
}

struct auth_principal access_unpack(uint64_t packed)
{
	return (struct auth_principal){.kind = AUTH_USER, .uid = (uid_t)packed, .gid = (gid_t)(packed >> 32)};
}

static int deny(const struct auth_principal *principal, enum auth_action action, int rc)
{
	char text[AUTH_TEXT_SIZE];
	observe_denied("mount", auth_text(principal, text), auth_action_name(action), FS_LOG, NULL);
	return rc;
}

int access_ask(const struct fs *fs, struct auth_principal principal, enum node_kind kind, bool change)
{
	const struct node_type *type = node_type(kind);
	const enum auth_action wanted = change ? type->change : type->action;
	int rc = auth_authorize(fs->auth, &principal, wanted, FS_LOG);
	if (rc == 0)
		return rc;
	if (change || !type->common)
		return deny(&principal, wanted, rc);
	for (enum auth_action action = AUTH_PRODUCE; action <= AUTH_OBSERVE; action++)
		if (auth_authorize(fs->auth, &principal, action, FS_LOG) == 0)
			return 0;
	return deny(&principal, wanted, rc);
}

mode_t access_mode(const struct fs *fs, enum node_kind kind)
{
	const struct node_type *type = node_type(kind);
	mode_t writers = auth_classes(fs->auth, type->change);
	mode_t readers = type->closed ? writers : auth_classes(fs->auth, type->action);
	if (S_ISLNK(type->mode))
		return type->mode;
	for (enum auth_action action = AUTH_PRODUCE; type->common && action <= AUTH_OBSERVE; action++)
		readers |= auth_classes(fs->auth, action);
	mode_t mode = (type->mode & S_IFMT) | readers << 2;
	if (type->mode & 0222)
		mode |= writers << 1;
	return S_ISDIR(type->mode) ? mode | readers : mode;
}
