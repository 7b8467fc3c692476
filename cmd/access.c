#include "cmd/access.h"

#include "auth/auth.h"
#include "error/error.h"
#include "observe/observe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Tells what is in force now. */
static void tell(const struct auth_setting *settings, size_t count, uint64_t entry)
{
	uint64_t tokens = 0;
	bool list = false;
	for (size_t i = 0; i < count; i++) {
		list = list || strcmp(settings[i].key, AUTH_ACL_KEY) == 0;
		tokens += strncmp(settings[i].key, AUTH_TOKEN_KEY, strlen(AUTH_TOKEN_KEY)) == 0;
	}
	observe_event(OBSERVE_INFO, "access_changed", OBSERVE_TEXT("list", list ? "yes" : "no"),
	              OBSERVE_NUMBER("tokens", tokens), OBSERVE_NUMBER("entry", entry));
}

/* Without memory nothing has changed, and it is tried again with the next record. */
static void load(struct access *access, uint64_t entry)
{
	struct service_setting settings[SERVICE_SETTINGS_MAX];
	struct auth_setting taken[SERVICE_SETTINGS_MAX];
	struct clog_error err = {0};
	size_t count = service_settings(access->service, settings, SERVICE_SETTINGS_MAX);
	count = count < SERVICE_SETTINGS_MAX ? count : SERVICE_SETTINGS_MAX;
	for (size_t i = 0; i < count; i++)
		taken[i] = (struct auth_setting){settings[i].key, settings[i].value, settings[i].size};
	const int status = auth_access_load(access->rules, taken, count, &err);
	if (status < 0)
		observe_event(OBSERVE_ERROR, "access_failed", OBSERVE_TEXT("reason", err.text),
		              OBSERVE_NUMBER("entry", entry));
	if (status == -ENOMEM)
		return;
	if (entry != 0)
		tell(taken, count, entry);
	access->known = true;
	access->entry = entry;
}

/* There is more to read, or the settings have changed. */
static void look(void *arg)
{
	struct access *const access = arg;
	struct service_state state;
	service_state(access->service, &state);
	if (state.settings_known && (!access->known || access->entry != state.settings_entry)) {
		load(access, state.settings_entry);
	} else if (!state.settings_known && access->known) {
		access->known = false;
		auth_access_forget(access->rules);
		observe_event(OBSERVE_WARNING, "access_unknown",
		              OBSERVE_TEXT("reason", "this member does not have the cluster's settings any more"));
	}
}

static int take_keys(const struct access *access, struct clog_error *err)
{
	return auth_access_keys(access->rules, access->folder, access->audience, err);
}

int access_init(struct access *access, struct service *service, const char *folder, const char *audience,
                struct clog_error *err)
{
	*access = (struct access){.service = service, .folder = folder};
	snprintf(access->audience, sizeof access->audience, "%s", audience);
	int status = auth_access_create(&access->rules);
	if (status < 0)
		return clog_error_set(err, status, "out of memory");
	if (folder != NULL)
		status = take_keys(access, err);
	if (status < 0) {
		auth_access_destroy(access->rules);
		access->rules = NULL;
		return status;
	}
	service_watch(service, &access->watch, look, access);
	look(access);
	return 0;
}

void access_reload(struct access *access)
{
	struct clog_error err = {0};
	if (access->folder == NULL)
		return;
	if (take_keys(access, &err) < 0)
		observe_event(OBSERVE_ERROR, "jwt_keys_kept", OBSERVE_TEXT("folder", access->folder),
		              OBSERVE_TEXT("reason", err.text));
	else
		observe_event(OBSERVE_INFO, "jwt_keys_loaded", OBSERVE_TEXT("folder", access->folder));
}

void access_finish(struct access *access)
{
	if (access->rules == NULL)
		return;
	service_unwatch(access->service, &access->watch);
	auth_access_destroy(access->rules);
	access->rules = NULL;
}
