#include "cmd/renew.h"

#include "error/error.h"
#include "observe/observe.h"
#include "tls/tls.h"

#include <errno.h>
#include <string.h>

static int load(struct tls_context **tls, const struct tls_identity *wanted, const char *folder, struct clog_error *err)
{
	int rc = tls_context_load(tls, folder, err);
	if (rc != 0)
		return rc;
	const struct tls_identity *found = tls_context_identity(*tls);
	if (found->kind == wanted->kind && strcmp(found->cluster, wanted->cluster) == 0 &&
	    strcmp(found->name, wanted->name) == 0)
		return 0;
	rc = clog_error_set(err, -EACCES, "%s: the certificate is for %s of %s now, and not for %s of %s", folder,
	                    found->name, found->cluster, wanted->name, wanted->cluster);
	tls_context_unref(*tls);
	return rc;
}

void renew(struct tls_context **tls, const char *folder)
{
	struct clog_error err = {0};
	struct tls_context *loaded;
	if (load(&loaded, tls_context_identity(*tls), folder, &err) == 0) {
		tls_context_unref(*tls);
		*tls = loaded; /* whose reference is ours now */
		observe_event(OBSERVE_INFO, "certificates_loaded", OBSERVE_TEXT("folder", folder));
	} else {
		observe_event(OBSERVE_ERROR, "certificates_kept", OBSERVE_TEXT("folder", folder),
		              OBSERVE_TEXT("reason", err.text));
	}
}
