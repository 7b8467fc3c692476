/* auth: who may do what. Every door asks the one auth_authorize before it serves anything, and asks again, about once a
 * second, for what goes on for long. docs/access.md has the rules as users see them. */
#ifndef CLOG_AUTH_AUTH_H
#define CLOG_AUTH_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct clog_error;
struct auth_access;

#define AUTH_NAME_SIZE 96u         /* bytes of a principal's name, the NUL included */
#define AUTH_BEARER_SIZE_MAX 4096u /* bytes of a bearer token: a JWT has hundreds */
#define AUTH_TOKEN_SIZE 49u /* bytes of a token as text, the NUL included: "clog_" and 256 random bits in base64url */
#define AUTH_TOKEN_VALUE_SIZE 256u    /* bytes of what is kept of one, the NUL included */
#define AUTH_ACL_SIZE_MAX (32u << 10) /* bytes of an access list */

/* How it is known who asks. */
enum auth_kind {
	AUTH_NOBODY,      /* it is not: may do nothing */
	AUTH_USER,        /* a local process, by its uid, as the kernel tells it */
	AUTH_CERTIFICATE, /* who shows a certificate of the cluster's authority, by the name in it */
	AUTH_TOKEN,       /* who has a token of clog's (clog token create), by its name */
	AUTH_JWT,         /* who has a JSON Web Token by a key that is configured, by its subject */
};

enum auth_action {
	AUTH_PRODUCE, /* append */
	AUTH_CONSUME, /* read records, list them, ask for offsets */
	AUTH_OBSERVE, /* read cluster/ and status/ */
	AUTH_ADMIN,   /* trim, set the retention, change the members, tokens and the access list */
};
#define AUTH_ACTION_COUNT 4u /* actions that there are */
/* "produce", "consume", "observe", "admin". Static. */
const char *auth_action_name(enum auth_action action);

/* Who asks. */
struct auth_principal {
	enum auth_kind kind;
	uid_t uid; /* of a USER */
	gid_t gid; /* likewise; or the policy's group where the user is in that besides: a door that can tell finds out */
	const char *name; /* borrowed; NULL: a user's is the number */
	uint64_t serial;  /* of a TOKEN: another one of the same name has another */
	uint64_t until_s; /* of a TOKEN and a JWT: seconds since 1970 when it ends; 0: it does not */
};

/* The rules. For users they are those of a file with that owner, group and mode: who may write it may produce, who may
 * read it may consume and observe. To admin is for the owner alone, whatever the mode. Root and the owner may do everything
 * that these say, whatever the access list. For all others:
 * - where there is an access list, a user and a certificate may do what it permits, and nothing else; a user besides needs
 *   the mode's leave;
 * - where there is none, whoever shows a certificate may do everything;
 * - a token may do what it was granted, whatever the access list;
 * - a JWT may do what the access list permits; where there is none, nothing. */
struct auth_policy {
	uid_t owner;
	gid_t group;
	mode_t mode;                /* at most 0666 */
	struct auth_access *access; /* NULL: there are no tokens, no list and no keys */
};

/* Gives the classes of users that may do the action by owner and mode, as the x bits of a mode: 0100 the owner, 0010 the
 * group, 0001 all others. Root, who may do everything, is none of them. */
mode_t auth_classes(const struct auth_policy *policy, enum auth_action action);

/* Returns 0, or -EACCES when the principal may not do the action on the log; -EAGAIN when it is not known yet what it may
 * (auth_access_forget): it is to be told that the member is not ready. As for a file, the owner is judged by the owner's
 * bits alone, and who is in the group by the group's. */
int auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal, enum auth_action action,
                   const char *log);
/* Whether the principal may do any of the actions: what all clients need, such as where the servers are. As above. */
int auth_authorize_any(const struct auth_policy *policy, const struct auth_principal *principal, const char *log);

/* The principal in words, as the access list has it: "user:1000", "cert:alice", "token:ci", "jwt:bob", "nobody". Returns
 * text. */
#define AUTH_TEXT_SIZE (AUTH_NAME_SIZE + 8u)
char *auth_text(const struct auth_principal *principal, char text[AUTH_TEXT_SIZE]);

/* ---- Tokens, the access list, keys: what the cluster keeps of them, and what a member is told ---- */

/* A setting of the cluster (service/service.h): "acl" has the access list, "token/NAME" a token. Others are passed over. */
struct auth_setting {
	const char *key;
	const void *value;
	size_t size;
};
#define AUTH_ACL_KEY "acl"
#define AUTH_TOKEN_KEY "token/"

/* Whether a setting can be read, so that a door can refuse what would permit nothing: -EINVAL, -EMSGSIZE, with a sentence.
 * Without bytes it goes, and can; so can what others keep. */
int auth_setting_check(const struct auth_setting *setting, struct clog_error *err);

/* Knows nothing at first: as after auth_access_forget. -ENOMEM. */
int auth_access_create(struct auth_access **access);
void auth_access_destroy(struct auth_access *access);
/* Takes all the settings in place of those before. What cannot be read permits nothing, and the first such is told: -EBADMSG
 * with a sentence. -ENOMEM (nothing has changed). */
int auth_access_load(struct auth_access *access, const struct auth_setting *settings, size_t count,
                     struct clog_error *err);
/* The settings are not known: users are judged by the mode, and all others not at all. */
void auth_access_forget(struct auth_access *access);
/* Takes the keys that JWTs are checked by from a folder, KID.pem each, in place of those before: public keys, RSA of 2048
 * bits and up for RS256, P-256 for ES256. audience: what a JWT that names its audiences must name. -EINVAL, -EBADMSG or the
 * file system's error, with a sentence that names the file; then nothing has changed. Blocks. */
int auth_access_keys(struct auth_access *access, const char *folder, const char *audience, struct clog_error *err);

/* Who has a bearer token, clog's or a JWT; the principal's name is put into name. -EACCES with a sentence that may be told to
 * who asks, and has nothing of the token: it is none, or not known, or its time is over or has not come. -EAGAIN: tokens are
 * not known yet. -ENOMEM. */
int auth_access_bearer(const struct auth_access *access, const char *text, size_t size, char name[AUTH_NAME_SIZE],
                       struct auth_principal *principal, struct clog_error *err);

/* ---- Making them ---- */

/* What a token is to be. */
struct auth_token {
	const char *name; /* 1 to 63 bytes of A-Z a-z 0-9 . _ -, not beginning with a dot */
	bool granted[AUTH_ACTION_COUNT];
	uint64_t created_s; /* seconds since 1970 */
	uint64_t until_s;   /* when it ends; 0: never */
};
/* Makes a token: the text for who shall have it, and the value for the cluster, which has a hash of it and no more. -EINVAL
 * with a sentence; or what the kernel says when it gives no random bits. */
int auth_token_create(const struct auth_token *token, char text[AUTH_TOKEN_SIZE], char value[AUTH_TOKEN_VALUE_SIZE],
                      struct clog_error *err);
/* Reads what is kept of a token but its hash. -EBADMSG. name is that of the key, without AUTH_TOKEN_KEY; borrowed. */
int auth_token_read(struct auth_token *token, const char *name, const void *value, size_t size);
/* Reads words such as "produce,consume". -EINVAL with a sentence. */
int auth_grants_read(const char *text, bool granted[AUTH_ACTION_COUNT], struct clog_error *err);

/* Whether a text can be an access list: -EINVAL with a sentence that names the line, -EMSGSIZE. A list without a rule can be
 * one: it permits nothing. */
int auth_acl_check(const char *text, size_t size, struct clog_error *err);

#endif
