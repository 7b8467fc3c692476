/* acl: the rules lie sorted by subject and object, each pair once with all actions that some line lets it do. */
#include "auth/acl.h"

#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANY "*"
#define ALL_ACTIONS ((1u << AUTH_ACTION_COUNT) - 1)
#define RULE_SIZE_MIN 8u /* bytes of the shortest, "p,a,b,*", and the end of its line */
#define FIELDS 4u        /* of a rule */

struct rule {
	enum auth_kind kind; /* AUTH_NOBODY: any */
	const char *name;    /* "*": any */
	const char *object;  /* likewise */
	unsigned actions;    /* bits */
};

struct acl {
	struct rule *rules;
	size_t count;
	bool names_users;
	char text[]; /* what the rules point into */
};

bool acl_is_name(const char *text, size_t size)
{
	if (size == 0 || size >= AUTH_NAME_SIZE)
		return false;
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~' || text[i] == ',' || text[i] == '"' || text[i] == '*')
			return false;
	return true;
}

static bool is_any_or_name(const char *text)
{
	return strcmp(text, ANY) == 0 || acl_is_name(text, strlen(text));
}

static int fail(unsigned line, const char *reason, struct clog_error *err)
{
	return clog_error_set(err, -EINVAL, "line %u: %s", line, reason);
}

/* Cuts the blanks off at both ends. */
static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t size = strlen(text);
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t' || text[size - 1] == '\r'))
		size--;
	text[size] = '\0';
	return text;
}

/* A number as auth_text writes it: no other text is the same user. */
static bool is_uid(const char *text)
{
	const size_t size = strlen(text);
	return size <= 10 && (text[0] != '0' || size == 1) && strtoull(text, NULL, 10) < UINT32_MAX;
}

static int read_user(struct acl *acl, const char *name, unsigned line, struct clog_error *err)
{
	if (name[strspn(name, "0123456789")] != '\0')
		acl->names_users = acl->names_users || strcmp(name, ANY) != 0;
	else if (name[0] != '\0' && !is_uid(name))
		return fail(line,
		            "the user's number is none: it is decimal, at most 4294967294, and has no zero before it",
		            err);
	return 0;
}

static int read_subject(struct acl *acl, struct rule *rule, const char *text, unsigned line, struct clog_error *err)
{
	static const struct {
		const char *prefix;
		enum auth_kind kind;
	} kinds[] = {{"user:", AUTH_USER}, {"cert:", AUTH_CERTIFICATE}, {"jwt:", AUTH_JWT}, {"token:", AUTH_TOKEN}};
	rule->kind = strcmp(text, ANY) == 0 ? AUTH_NOBODY : AUTH_CERTIFICATE;
	rule->name = text;
	bool found = false;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
			rule->kind = kinds[i].kind;
			rule->name = text + strlen(kinds[i].prefix);
			found = true;
		}
	if (rule->kind == AUTH_TOKEN)
		return fail(line, "a token is no subject here: it may do what it was granted when it was made", err);
	if (!found && strchr(text, ':') != NULL)
		return fail(line, "the subject's kind is not known: it is user:, cert: or jwt:", err);
	if (!is_any_or_name(rule->name))
		return fail(
			line,
			"the subject is none: it is user:, cert: or jwt: and 1 to 95 letters, digits and signs, or *",
			err);
	return rule->kind == AUTH_USER ? read_user(acl, rule->name, line, err) : 0;
}

static int read_action(struct rule *rule, const char *text, unsigned line, struct clog_error *err)
{
	if (strcmp(text, ANY) == 0) {
		rule->actions = ALL_ACTIONS;
		return 0;
	}
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++)
		if (strcmp(text, auth_action_name((enum auth_action)action)) == 0) {
			rule->actions = 1u << action;
			return 0;
		}
	return fail(line, "the action is none of produce, consume, observe, admin and *", err);
}

static int read_rule(struct acl *acl, char *text, unsigned line, struct clog_error *err)
{
	char *fields[FIELDS];
	size_t count = 0;
	for (char *rest = text, *field; (field = strsep(&rest, ",")) != NULL; count++)
		if (count < FIELDS)
			fields[count] = trim(field);
	if (strcmp(fields[0], "p") != 0)
		return fail(line, "a rule begins with p, and a comment with #", err);
	if (count != FIELDS)
		return fail(line, "a rule is p, SUBJECT, OBJECT, ACTION", err);
	struct rule rule;
	int status = read_subject(acl, &rule, fields[1], line, err);
	if (status == 0 && !is_any_or_name(fields[2]))
		status = fail(line, "the object is none: it is a log's name, or *", err);
	rule.object = fields[2];
	if (status == 0)
		status = read_action(&rule, fields[3], line, err);
	if (status == 0)
		acl->rules[acl->count++] = rule;
	return status;
}

static int compare(const void *left, const void *right)
{
	const struct rule *const a = left, *const b = right;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	const int order = strcmp(a->name, b->name);
	return order != 0 ? order : strcmp(a->object, b->object);
}

/* Sorts, and makes one of the rules for the same subject and object. */
static void sort(struct acl *acl)
{
	size_t kept = 0;
	qsort(acl->rules, acl->count, sizeof acl->rules[0], compare);
	for (size_t i = 0; i < acl->count; i++)
		if (kept > 0 && compare(&acl->rules[kept - 1], &acl->rules[i]) == 0)
			acl->rules[kept - 1].actions |= acl->rules[i].actions;
		else
			acl->rules[kept++] = acl->rules[i];
	acl->count = kept;
}

static int read_text(struct acl *acl, size_t size, struct clog_error *err)
{
	unsigned line = 0;
	for (char *rest = acl->text, *at; (at = strsep(&rest, "\n")) != NULL;) {
		line++;
		const char *const end = rest != NULL ? rest - 1 : acl->text + size;
		if (strlen(at) != (size_t)(end - at))
			return fail(line, "it has a NUL byte", err);
		at = trim(at);
		const int status = at[0] == '\0' || at[0] == '#' ? 0 : read_rule(acl, at, line, err);
		if (status < 0)
			return status;
	}
	sort(acl);
	return 0;
}

int acl_create(struct acl **out, const char *text, size_t size, struct clog_error *err)
{
	if (size > AUTH_ACL_SIZE_MAX)
		return clog_error_set(err, -EMSGSIZE, "the access list is larger than %u bytes", AUTH_ACL_SIZE_MAX);
	struct acl *const acl = malloc(sizeof *acl + size + 1);
	if (acl == NULL)
		return clog_error_set(err, -ENOMEM, "out of memory");
	*acl = (struct acl){.rules = calloc((size + 1) / RULE_SIZE_MIN + 1, sizeof acl->rules[0])};
	int status = acl->rules == NULL ? clog_error_set(err, -ENOMEM, "out of memory") : 0;
	if (size > 0)
		memcpy(acl->text, text, size);
	acl->text[size] = '\0';
	if (status == 0)
		status = read_text(acl, size, err);
	if (status < 0)
		acl_destroy(acl);
	else
		*out = acl;
	return status;
}

void acl_destroy(struct acl *acl)
{
	if (acl == NULL)
		return;
	free(acl->rules);
	free(acl);
}

static bool has(const struct acl *acl, enum auth_kind kind, const char *name, enum auth_action action,
                const char *object)
{
	const struct rule wanted = {.kind = kind, .name = name, .object = object};
	const struct rule *const rule = bsearch(&wanted, acl->rules, acl->count, sizeof acl->rules[0], compare);
	return rule != NULL && (rule->actions & 1u << action);
}

bool acl_permits(const struct acl *acl, enum auth_kind kind, const char *name, enum auth_action action,
                 const char *object)
{
	assert(kind != AUTH_NOBODY && kind != AUTH_TOKEN);
	const char *const objects[] = {object, ANY};
	for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
		if (has(acl, kind, name, action, objects[i]) || has(acl, kind, ANY, action, objects[i]) ||
		    has(acl, AUTH_NOBODY, ANY, action, objects[i]))
			return true;
	return false;
}

bool acl_names_users(const struct acl *acl)
{
	return acl->names_users;
}

int auth_acl_check(const char *text, size_t size, struct clog_error *err)
{
	struct acl *acl;
	const int status = acl_create(&acl, text, size, err);
	if (status == 0)
		acl_destroy(acl);
	return status;
}
