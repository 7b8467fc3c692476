/* certificates: authorities and certificates in the working folder, right ones and odd ones, for tests. What cannot be
 * made aborts the test. */
#ifndef CLOG_TESTS_TLS_CERTIFICATES_H
#define CLOG_TESTS_TLS_CERTIFICATES_H

#include "tls/tls.h"

/* A certificate that tls_issue would not make. */
struct odd {
	const char *uris[3];   /* its names, up to a NULL */
	const char *purposes;  /* its extended key usage; NULL: none */
	long from_s, to_s;     /* when it is valid, from now; both 0: for an hour */
	const char *authority; /* the folder of who signs it */
};

void certificates_authority(const char *folder, const char *cluster);
void certificates_issue(const char *authority, enum tls_kind kind, const char *name, const char *folder);
/* Writes ca.pem (of odd->authority), cert.pem and key.pem into a folder. */
void certificates_odd(const struct odd *odd, const char *folder);
/* Loads what tls_context_load must find right. */
struct tls_context *certificates_load(const char *folder);
/* A context of a folder whose certificate nobody looks at on this side, where all others are trusted; version is the newest
 * of TLS that it speaks. bare: it has no certificate. */
struct tls_context *certificates_unchecked(const char *folder, int version, bool bare);
/* Makes a file hold a text. */
void certificates_put(const char *path, const void *text, size_t size);
/* Appends a file to another. */
void certificates_append(const char *path, const char *from);
/* Gives a file's bytes, which the caller frees, with a NUL behind them. */
char *certificates_read(const char *path, size_t *size);

#endif
