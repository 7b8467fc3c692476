/* credentials: who this client says to be: certificates, and a token. */
#include "client/private.h"

#include "tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 1000u
#define BEARER "Bearer "

/* ---- The token ---- */

static int check_file(const struct stat *found, const char *path, struct clog_error *err)
{
	if (!S_ISREG(found->st_mode))
		return clog_error_set(err, -EINVAL, "%s: is no file", path);
	if ((found->st_mode & 077) != 0)
		return clog_error_set(err, -EACCES, "%s: others can read it; chmod 600 it", path);
	return 0;
}

/* Takes the first line. */
static int take_token(struct credentials *credentials, char *text, size_t size, struct clog_error *err)
{
	const char *path = credentials->token_file;
	const char *end = memchr(text, '\n', size);
	if (end != NULL)
		size = (size_t)(end - text);
	if (size > 0 && text[size - 1] == '\r')
		size--;
	if (size > CLIENT_TOKEN_SIZE_MAX)
		return clog_error_set(err, -EINVAL, "%s: its first line has more than %u bytes", path,
		                      CLIENT_TOKEN_SIZE_MAX);
	if (size == 0)
		return clog_error_set(err, -EINVAL, "%s: there is no token in its first line", path);
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return clog_error_set(err, -EINVAL, "%s: byte %zu is none that a token may have", path, i);
	memcpy(credentials->token, BEARER, sizeof BEARER - 1);
	memcpy(credentials->token + sizeof BEARER - 1, text, size);
	credentials->token[sizeof BEARER - 1 + size] = '\0';
	return 0;
}

static int load_token(struct credentials *credentials, struct clog_error *err)
{
	const char *path = credentials->token_file;
	char text[CLIENT_TOKEN_SIZE_MAX + 3];
	struct stat found;
	/* One that waits for a writer is no file, and is not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = fstat(fd, &found) != 0 ? clog_error_set(err, -errno, "%s: %s", path, strerror(errno))
	                                : check_file(&found, path, err);
	if (rc == 0) {
		const ssize_t size = read(fd, text, sizeof text);
		rc = size < 0 ? clog_error_set(err, -errno, "%s: %s", path, strerror(errno))
		              : take_token(credentials, text, (size_t)size, err);
	}
	if (rc == 0) {
		credentials->token_time = found.st_mtim;
		credentials->token_inode = found.st_ino;
		credentials->token_size = (uint64_t)found.st_size;
	}
	explicit_bzero(text, sizeof text);
	close(fd);
	return rc;
}

static bool token_changed(const struct credentials *credentials)
{
	struct stat found;
	return credentials->token_file != NULL && stat(credentials->token_file, &found) == 0 &&
	       (found.st_ino != credentials->token_inode || (uint64_t)found.st_size != credentials->token_size ||
	        found.st_mtim.tv_sec != credentials->token_time.tv_sec ||
	        found.st_mtim.tv_nsec != credentials->token_time.tv_nsec);
}

/* ---- Certificates ---- */

static int load_tls(struct credentials *credentials, struct clog_error *err)
{
	struct tls_context *tls;
	char *certificate;
	if (asprintf(&certificate, "%s/cert.pem", credentials->tls_folder) < 0)
		return clog_error_set(err, -ENOMEM, "no memory");
	const bool certified = access(certificate, F_OK) == 0;
	free(certificate);
	const uint64_t stamp = tls_folder_stamp(credentials->tls_folder);
	int rc = certified ? tls_context_load(&tls, credentials->tls_folder, err)
	                   : tls_context_load_authority(&tls, credentials->tls_folder, err);
	/* Whether it was good or not, it is not looked at again before it changes. */
	credentials->tls_stamp = stamp;
	if (rc != 0)
		return rc;
	tls_context_unref(credentials->tls);
	credentials->tls = tls;
	credentials->certified = certified;
	return 0;
}

/* ---- Both ---- */

int credentials_load(struct credentials *credentials, const char *tls_folder, const char *token_file,
                     struct clog_error *err)
{
	if ((tls_folder != NULL && (credentials->tls_folder = strdup(tls_folder)) == NULL) ||
	    (token_file != NULL && (credentials->token_file = strdup(token_file)) == NULL))
		return clog_error_set(err, -ENOMEM, "no memory");
	int rc = tls_folder == NULL ? 0 : load_tls(credentials, err);
	if (rc == 0 && token_file != NULL)
		rc = load_token(credentials, err);
	return rc;
}

void credentials_finish(struct credentials *credentials)
{
	explicit_bzero(credentials->token, sizeof credentials->token);
	tls_context_unref(credentials->tls);
	credentials->tls = NULL;
	free(credentials->tls_folder);
	free(credentials->token_file);
	credentials->tls_folder = credentials->token_file = NULL;
}

void credentials_look(struct credentials *credentials, uint64_t now_ms)
{
	if (now_ms < credentials->looked_ms + LOOK_MS)
		return;
	credentials->looked_ms = now_ms;
	if (credentials->tls_folder != NULL && tls_folder_stamp(credentials->tls_folder) != credentials->tls_stamp)
		load_tls(credentials, NULL);
	if (token_changed(credentials))
		load_token(credentials, NULL);
}
