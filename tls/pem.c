#include "tls/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return clog_error_set(err, -errno, "%s: the folder cannot be made: %s", folder, strerror(errno));
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return clog_error_set(err, -errno, "%s: %s", folder, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	int rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return clog_error_set(err, rc, "%s: %s", folder,
	                      rc == -EBUSY ? "certificates are made there at this moment" : strerror(-rc));
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

/* Keys are given without a password: nobody is there to be asked. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static int read_all(int fd, size_t size, const char *path, BIO *text, struct clog_error *err)
{
	char bytes[4096];
	int rc = 0;
	while (rc == 0 && size > 0) {
		ssize_t count = read(fd, bytes, size < sizeof bytes ? size : sizeof bytes);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			rc = clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
		else if (count == 0)
			break;
		else if (BIO_write(text, bytes, (int)count) != count)
			rc = clog_error_set(err, -ENOMEM, "no memory");
		else
			size -= (size_t)count;
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	return rc;
}

/* Reads a file that may be somebody's mistake: a pipe, or without an end. */
static int read_text(const char *path, bool secret, BIO **text, struct clog_error *err)
{
	struct stat stat;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	int rc = 0;
	*text = BIO_new(BIO_s_mem());
	if (*text == NULL)
		rc = clog_error_set(err, -ENOMEM, "no memory");
	else if (fstat(fd, &stat) != 0)
		rc = clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(stat.st_mode))
		rc = clog_error_set(err, -EBADMSG, "%s is no file", path);
	else if (stat.st_size > TLS_FILE_SIZE_MAX)
		rc = clog_error_set(err, -EFBIG, "%s has more than %u bytes", path, TLS_FILE_SIZE_MAX);
	else if (secret && (stat.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		rc = clog_error_set(err, -EACCES, "%s can be read or written by others: chmod 600", path);
	if (rc == 0)
		rc = read_all(fd, (size_t)stat.st_size, path, *text, err);
	close(fd);
	if (rc != 0)
		BIO_free(*text);
	return rc;
}

/* How many lines begin or end something in PEM. */
static unsigned count_bounds(BIO *text)
{
	static const char dashes[] = "-----";
	char *data;
	long size = BIO_get_mem_data(text, &data);
	unsigned count = 0;
	const char *at = data, *end = data == NULL ? NULL : data + size;
	while (at != NULL && end - at >= 5) {
		count += memcmp(at, dashes, 5) == 0;
		at = memchr(at, '\n', (size_t)(end - at));
		at = at == NULL ? NULL : at + 1;
	}
	return count;
}

static int take_all(STACK_OF(X509) *certificates, const char *path, BIO *text, struct clog_error *err)
{
	unsigned bounds = count_bounds(text);
	X509 *certificate;
	while ((certificate = PEM_read_bio_X509(text, NULL, no_password, NULL)) != NULL)
		if (sk_X509_push(certificates, certificate) <= 0) {
			X509_free(certificate);
			return clog_error_set(err, -ENOMEM, "no memory");
		}
	int count = sk_X509_num(certificates);
	/* Without this the rest of a file would be passed over in silence. */
	if (bounds != 2 * (unsigned)count && count > 0)
		return clog_error_set(err, -EBADMSG, "%s: what follows certificate %d is damaged, or is no certificate",
		                      path, count);
	return count > 0 ? 0 : clog_error_set(err, -EBADMSG, "%s has no certificate in PEM", path);
}

int tls_pem_read_certificates(const char *folder, const char *name, STACK_OF(X509) **certificates,
                              struct clog_error *err)
{
	char path[PATH_MAX];
	BIO *text;
	int rc = path_of(path, folder, name, "", err);
	if (rc == 0)
		rc = read_text(path, false, &text, err);
	if (rc != 0)
		return rc;
	*certificates = sk_X509_new_null();
	rc = *certificates != NULL ? take_all(*certificates, path, text, err)
	                           : clog_error_set(err, -ENOMEM, "no memory");
	BIO_free(text);
	ERR_clear_error();
	if (rc != 0)
		sk_X509_pop_free(*certificates, X509_free);
	return rc;
}

int tls_pem_read_key(const char *folder, const char *name, EVP_PKEY **key, struct clog_error *err)
{
	char path[PATH_MAX];
	BIO *text;
	int rc = path_of(path, folder, name, "", err);
	if (rc == 0)
		rc = read_text(path, true, &text, err);
	if (rc != 0)
		return rc;
	*key = PEM_read_bio_PrivateKey(text, NULL, no_password, NULL);
	BIO_free(text);
	ERR_clear_error();
	return *key != NULL ? 0
	                    : clog_error_set(err, -EBADMSG, "%s has no key in PEM that can be read without a password",
	                                     path);
}
