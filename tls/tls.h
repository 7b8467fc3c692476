/* tls: TLS 1.3 between those who know each other by certificates of one authority, over bytes in memory: nothing here
 * knows sockets or an event loop.
 *
 * Who somebody is, is in the certificate's subject alternative name, URI:clog://CLUSTER/member/NAME or .../client/NAME;
 * both sides show theirs, and each checks the other's against the authority; a client need not where that is let in. There
 * is no resumption, no early data, and nothing older than TLS 1.3 where nobody asks for it. Who connects finds a member at
 * the other side, or nobody; and may offer protocols (ALPN): then the one that is spoken must be among them.
 *
 * A context may be used on any thread, a stream on one at a time. Errors are negative errno with a sentence. */
#ifndef CLOG_TLS_TLS_H
#define CLOG_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct clog_error;

#define TLS_NAME_SIZE 64               /* bytes of a name, its NUL included */
#define TLS_FILE_SIZE_MAX (256u << 10) /* bytes in a file of certificates or a key */

/* What a certificate is for. */
enum tls_kind { TLS_MEMBER, TLS_CLIENT };

/* Who somebody is. Both names are of A-Z a-z 0-9 . _ -, and do not begin with a dot. */
struct tls_identity {
	enum tls_kind kind;
	char cluster[TLS_NAME_SIZE];
	char name[TLS_NAME_SIZE];
};

/* ---- Contexts: whom one trusts, and who one is ---- */

/* Counted references. */
struct tls_context;

/* Loads ca.pem, cert.pem and key.pem from a folder. Errors, each with a sentence that names the file: the file system's;
 * -EFBIG; -EBADMSG for what is no file, not PEM, or not certificates or a key throughout; -EACCES for a key that others
 * can read, that is not the certificate's, or a certificate that is not by that authority, not valid now, not for clog,
 * or of a member that may not both connect and accept. A key with a password is refused; nobody is asked for one.
 * Blocks, but not on a file that has no end. */
int tls_context_load(struct tls_context **context, const char *folder, struct clog_error *err);
/* The same for one that only connects, and has no certificate: ca.pem alone is loaded from the folder. It trusts the members of
 * any cluster of that authority, and has no identity. What is let in so is told who it is by other means, such as a token. */
int tls_context_load_authority(struct tls_context **context, const char *folder, struct clog_error *err);
/* Of the protocols that who connects offers, where any are, this one is chosen, such as "http/1.1"; without this call "h2".
 * Static; before the context's first stream. */
void tls_context_speaks(struct tls_context *context, const char *protocol);
struct tls_context *tls_context_ref(struct tls_context *context);
/* The last one frees. NULL is allowed. */
void tls_context_unref(struct tls_context *context);
/* Who the context's own certificate says that one is; NULL for one that has none. Valid as long as the context. */
const struct tls_identity *tls_context_identity(const struct tls_context *context);
/* A number that changes when one of the folder's three files does. Looks at their times and sizes only. */
uint64_t tls_folder_stamp(const char *folder);

/* ---- Streams ---- */

/* One side of a connection. */
struct tls_stream;

/* Which side it is: the one that begins; or the one that lets in whom it trusts, by a certificate; anybody, and a
 * certificate that is shown has to be good; anybody, who may speak TLS 1.2, with ephemeral keys and authenticated ciphers
 * only, besides. */
enum tls_side { TLS_CONNECT, TLS_ACCEPT, TLS_ACCEPT_ANYBODY, TLS_ACCEPT_ANYBODY_1_2 };

/* Creates a side, which takes a reference to the context; one without a certificate only connects. -ENOMEM. */
int tls_stream_create(struct tls_stream **stream, struct tls_context *context, enum tls_side side);
/* NULL is allowed. */
void tls_stream_destroy(struct tls_stream *stream);

/* Takes bytes from the wire, all of them, and goes on with the handshake; once it is ready, call tls_stream_read until
 * there is no more, since what is not read is kept. -EACCES: who is there is not trusted, or does not say who it is;
 * -EPROTO: it does not speak TLS as new as wanted, or not rightly; -ENOMEM. What is pending after an error tells the other side.
 * After an error of any call but -ENODATA the stream only fails. */
int tls_stream_receive(struct tls_stream *stream, const void *data, size_t size, struct clog_error *err);
/* Whether the handshake is done and the other side is let in. With TLS 1.3 the side that connects is ready before the
 * other has judged its certificate: what it writes then may be thrown away, and that it was refused comes later, as an
 * error of tls_stream_read. Only an answer tells it that it was let in. */
bool tls_stream_ready(const struct tls_stream *stream);
/* Who the other side is; NULL for one that is let in without a certificate. Only when ready; valid as long as the stream. */
const struct tls_identity *tls_stream_peer(const struct tls_stream *stream);

/* Gives what was received in clear: how many bytes, 0 when there are no more for now. -ENODATA when the other side has
 * ended the stream in order; -EPROTO for what was changed on the way. */
ssize_t tls_stream_read(struct tls_stream *stream, void *data, size_t capacity, struct clog_error *err);
/* Whether the other side has ended the stream in order: that a wire ends without it may be somebody's doing. */
bool tls_stream_closed(const struct tls_stream *stream);
/* Encrypts bytes, all of them, which then are pending. Only when ready. -ENOMEM, -EPROTO. */
int tls_stream_write(struct tls_stream *stream, const void *data, size_t size, struct clog_error *err);
/* Ends the stream in order: what says so is pending then. */
void tls_stream_close(struct tls_stream *stream);

/* The bytes that are to go on the wire, borrowed until the next call; and that so many of them, and not more than are
 * pending, have gone. */
size_t tls_stream_pending(const struct tls_stream *stream, const void **data);
void tls_stream_sent(struct tls_stream *stream, size_t size);

/* ---- Issuing certificates ---- */

#define TLS_DAYS_MAX 36500u /* that a certificate is valid */
#define TLS_HOSTS_MAX 64u   /* that a member is reached by */
#define TLS_LEAF_DAYS 365u  /* default */
#define TLS_ROOT_DAYS 3650u /* default */

/* Whether a text is a name, of a cluster, a member or a client. */
bool tls_name_ok(const char *name);

/* Makes an authority for a cluster in a folder: ca.pem, whose name tells the cluster, and ca-key.pem. The folder is made
 * when it is not there, and readable for its owner alone. -EEXIST when there is a ca.pem already (a ca-key.pem without one
 * is what a crash has left, and is replaced), -EBUSY while another makes one there, -EINVAL for what is no name, or the
 * file system's error, each with a sentence. Blocks. */
int tls_authority_create(const char *folder, const char *cluster, unsigned days, struct clog_error *err);

/* What a certificate is to be for. */
struct tls_issue {
	enum tls_kind kind;
	const char *name;
	const char *const *hosts; /* of a member: names and addresses by which it is reached, without a port */
	size_t host_count;
	unsigned days;
};
/* Issues a certificate by the authority in a folder, with a new key, into another folder, which is made when it is not
 * there: ca.pem, cert.pem and key.pem, as tls_context_load wants them. Those that are there are replaced, each at once, so
 * that who loads them finds the old, the new, or a key that does not fit. It ends with the authority's own certificate
 * when it would be valid for longer. -EINVAL, -ENOENT where there is no authority, -EBADMSG where it is none of a
 * cluster's, -EACCES where it has expired or its key can be read by others, -EBUSY while another issues into that folder,
 * or the file system's error. Blocks. */
int tls_issue(const char *authority, const struct tls_issue *issue, const char *folder, struct clog_error *err);

#endif
