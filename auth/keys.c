#include "auth/keys.h"

#include "error/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define SUFFIX ".pem"
#define ES256_SIGNATURE_SIZE 64u

void keys_destroy(struct keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->count; i++)
		free(keys->keys[i].pem);
	free(keys->audience);
	free(keys);
}

/* Finds out what the key is for. */
static int judge(struct key *key, EVP_PKEY *pkey, const char *path, struct clog_error *err)
{
	char group[32] = "";
	const int bits = EVP_PKEY_get_bits(pkey);
	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA) {
		if (bits < KEYS_RSA_BITS_MIN || bits > KEYS_RSA_BITS_MAX)
			return clog_error_set(err, -EINVAL, "%s: an RSA key of %d bits: it must have %d to %d", path,
			                      bits, KEYS_RSA_BITS_MIN, KEYS_RSA_BITS_MAX);
		key->algorithm = "RS256";
		key->signature_size = (size_t)EVP_PKEY_get_size(pkey);
		return 0;
	}
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC)
		return clog_error_set(err, -EINVAL, "%s: neither an RSA key nor one on the curve P-256", path);
	EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL);
	if (strcmp(group, "prime256v1") != 0)
		return clog_error_set(err, -EINVAL, "%s: a key on another curve than P-256", path);
	key->algorithm = "ES256";
	key->signature_size = ES256_SIGNATURE_SIZE;
	return 0;
}

/* Writes the key anew: what else was in the file goes no further. */
static int write_anew(struct key *key, EVP_PKEY *pkey)
{
	char *text;
	BIO *const bio = BIO_new(BIO_s_mem());
	if (bio == NULL)
		return -ENOMEM;
	const bool written = PEM_write_bio_PUBKEY(bio, pkey) == 1;
	const long size = BIO_get_mem_data(bio, &text);
	if (written && size > 0) {
		key->pem_size = (size_t)size;
		key->pem = malloc(key->pem_size + 1);
	}
	if (key->pem != NULL) {
		memcpy(key->pem, text, key->pem_size);
		key->pem[key->pem_size] = '\0';
	}
	BIO_free(bio);
	return key->pem != NULL ? 0 : -ENOMEM;
}

static int take_key(struct key *key, const char *text, size_t size, const char *path, struct clog_error *err)
{
	if (memmem(text, size, "PRIVATE KEY", strlen("PRIVATE KEY")) != NULL)
		return clog_error_set(err, -EINVAL,
		                      "%s: a private key, which belongs to who makes tokens alone: the public one is "
		                      "needed here",
		                      path);
	BIO *const bio = BIO_new_mem_buf(text, (int)size);
	if (bio == NULL)
		return clog_error_set(err, -ENOMEM, "out of memory");
	EVP_PKEY *const pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (pkey == NULL)
		return clog_error_set(err, -EBADMSG, "%s: no public key in PEM", path);
	int status = judge(key, pkey, path, err);
	if (status == 0 && write_anew(key, pkey) < 0)
		status = clog_error_set(err, -ENOMEM, "out of memory");
	EVP_PKEY_free(pkey);
	return status;
}

/* Reads a file of at most capacity bytes. */
static ssize_t read_file(int folder, const char *name, char *text, size_t capacity)
{
	struct stat attr;
	const int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return -errno;
	ssize_t size = 0, count = fstat(file, &attr) < 0 ? -errno : S_ISREG(attr.st_mode) ? 1 : -EINVAL;
	while (count > 0 && (size_t)size < capacity) {
		count = read(file, text + size, capacity - (size_t)size);
		count = count < 0 ? -errno : count;
		size += count > 0 ? count : 0;
	}
	close(file);
	return count < 0 ? count : size;
}

static int load_key(struct key *key, int folder, const char *name, const char *path, struct clog_error *err)
{
	char text[KEYS_FILE_SIZE_MAX + 1];
	const ssize_t size = read_file(folder, name, text, sizeof text);
	if (size < 0)
		return clog_error_set(err, (int)size, "%s: the key cannot be read: %s", path,
		                      size == -EINVAL ? "it is no file" : strerror((int)-size));
	if (size > (ssize_t)KEYS_FILE_SIZE_MAX)
		return clog_error_set(err, -EBADMSG, "%s: larger than a key's file may be, %u bytes", path,
		                      KEYS_FILE_SIZE_MAX);
	return take_key(key, text, (size_t)size, path, err);
}

static bool is_key(const char *name)
{
	const size_t size = strlen(name);
	return name[0] != '.' && size > strlen(SUFFIX) && strcmp(name + size - strlen(SUFFIX), SUFFIX) == 0;
}

static int take_file(struct keys *keys, int folder, const char *path, const char *name, struct clog_error *err)
{
	char file[4096];
	struct key *const key = &keys->keys[keys->count];
	const size_t size = strlen(name) - strlen(SUFFIX);
	snprintf(file, sizeof file, "%s/%s", path, name);
	if (size >= KEYS_KID_SIZE)
		return clog_error_set(err, -EINVAL, "%s: the key's id is longer than %u bytes", file,
		                      KEYS_KID_SIZE - 1);
	if (keys->count == KEYS_MAX)
		return clog_error_set(err, -EINVAL, "%s: more than %u keys", path, KEYS_MAX);
	*key = (struct key){0};
	memcpy(key->kid, name, size);
	const int status = load_key(key, folder, name, file, err);
	keys->count += status == 0;
	return status;
}

static int take_folder(struct keys *keys, const char *path, struct clog_error *err)
{
	DIR *const directory = opendir(path);
	if (directory == NULL)
		return clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	const struct dirent *entry;
	int status = 0;
	while (status == 0 && (errno = 0, (entry = readdir(directory)) != NULL))
		if (is_key(entry->d_name))
			status = take_file(keys, dirfd(directory), path, entry->d_name, err);
	if (status == 0 && errno != 0)
		status = clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	closedir(directory);
	return status;
}

int keys_create(struct keys **out, const char *folder, const char *audience, struct clog_error *err)
{
	struct keys *const keys = calloc(1, sizeof *keys);
	if (keys == NULL)
		return clog_error_set(err, -ENOMEM, "out of memory");
	keys->audience = strdup(audience);
	int status = keys->audience == NULL ? clog_error_set(err, -ENOMEM, "out of memory") : 0;
	if (status == 0)
		status = take_folder(keys, folder, err);
	if (status < 0)
		keys_destroy(keys);
	else
		*out = keys;
	return status;
}

const struct key *keys_find(const struct keys *keys, const char *kid)
{
	if (kid == NULL)
		return keys->count == 1 ? &keys->keys[0] : NULL;
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->keys[i].kid, kid) == 0)
			return &keys->keys[i];
	return NULL;
}
