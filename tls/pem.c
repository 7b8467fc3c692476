#include "tls/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

static int path_of(char path[PATH_MAX], const char *folder, const char *name, const char *suffix,
                   struct clog_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s%s", folder, name, suffix) < PATH_MAX)
		return 0;
	return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", folder);
}

int tls_folder_make(const char *folder, struct clog_error *err)
{
	if (mkdir(folder, 0700) == 0 || errno == EEXIST)
		return 0;
	return clog_error_set(err, -errno, "%s: the folder cannot be made: %s", folder, strerror(errno));
}

/* ---- Writing ---- */

static int write_all(int fd, BIO *text)
{
	char *at;
	long size = BIO_get_mem_data(text, &at);
	while (size > 0) {
		ssize_t count = write(fd, at, (size_t)size);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		at += count;
		size -= count;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

static int sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

static int replace(const char *folder, const char *name, BIO *text, mode_t mode, struct clog_error *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int rc = path_of(path, folder, name, "", err);
	if (rc == 0)
		rc = path_of(fresh, folder, name, ".new", err);
	if (rc != 0)
		return rc;
	unlink(fresh); /* what an earlier try may have left */
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return clog_error_set(err, -errno, "%s: %s", fresh, strerror(errno));
	rc = write_all(fd, text);
	close(fd);
	if (rc == 0 && rename(fresh, path) != 0)
		rc = -errno;
	if (rc == 0)
		rc = sync_folder(folder);
	else
		unlink(fresh);
	return rc == 0 ? 0 : clog_error_set(err, rc, "%s: it cannot be written: %s", path, strerror(-rc));
}

int tls_pem_write(const char *folder, const char *name, X509 *certificate, EVP_PKEY *key, struct clog_error *err)
{
	BIO *text = BIO_new(BIO_s_secmem());
	int made = text != NULL && (key != NULL ? PEM_write_bio_PKCS8PrivateKey(text, key, NULL, NULL, 0, NULL, NULL)
	                                        : PEM_write_bio_X509(text, certificate));
	int rc = made == 1 ? replace(folder, name, text, key != NULL ? 0600 : 0644, err)
	                   : clog_error_set(err, -ENOMEM, "%s/%s: %s", folder, name, tls_reason());
	BIO_free(text);
	return rc;
}

/* ---- Reading ---- */

static int open_text(const char *folder, const char *name, char path[PATH_MAX], BIO **text, struct clog_error *err)
{
	int rc = path_of(path, folder, name, "", err);
	if (rc != 0)
		return rc;
	errno = 0;
	*text = BIO_new_file(path, "r");
	ERR_clear_error();
	if (*text != NULL)
		return 0;
	rc = errno != 0 ? -errno : -ENOMEM;
	return clog_error_set(err, rc, "%s: %s", path, strerror(-rc));
}

int tls_pem_read_certificate(const char *folder, const char *name, X509 **certificate, struct clog_error *err)
{
	char path[PATH_MAX];
	BIO *text;
	int rc = open_text(folder, name, path, &text, err);
	if (rc != 0)
		return rc;
	*certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);
	BIO_free(text);
	ERR_clear_error();
	return *certificate != NULL ? 0 : clog_error_set(err, -EBADMSG, "%s has no certificate in PEM", path);
}

static int no_password(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

int tls_pem_read_key(const char *folder, const char *name, EVP_PKEY **key, struct clog_error *err)
{
	char path[PATH_MAX];
	BIO *text;
	int rc = open_text(folder, name, path, &text, err);
	if (rc != 0)
		return rc;
	*key = PEM_read_bio_PrivateKey(text, NULL, no_password, NULL);
	BIO_free(text);
	ERR_clear_error();
	return *key != NULL ? 0
	                    : clog_error_set(err, -EBADMSG, "%s has no key in PEM that can be read without a password",
	                                     path);
}
