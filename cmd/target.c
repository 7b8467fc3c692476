#include "cmd/target.h"

#include "error/error.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { SERVER, TLS, TOKEN_FILE, KEY_COUNT };

static const char *const names[KEY_COUNT] = {"--server", "--tls", "--token-file"};
static const char *const variables[KEY_COUNT] = {"CLOG_SERVER", "CLOG_TLS", "CLOG_TOKEN_FILE"};

/* Which of the three a word is, with its value where that is in the same word. KEY_COUNT: none. */
static int key_of(const char *word, const char **value)
{
	*value = NULL;
	for (int key = 0; key < KEY_COUNT; key++) {
		const size_t size = strlen(names[key]);
		if (strncmp(word, names[key], size) != 0 || (word[size] != '\0' && word[size] != '='))
			continue;
		if (word[size] == '=')
			*value = word + size + 1;
		return key;
	}
	return KEY_COUNT;
}

static int take_words(const char *texts[KEY_COUNT], int *argc, char *argv[], struct clog_error *err)
{
	int kept = 1, at = 1;
	for (; at < *argc && strcmp(argv[at], "--") != 0; at++) {
		const char *value;
		const int key = key_of(argv[at], &value);
		if (key == KEY_COUNT) {
			argv[kept++] = argv[at];
			continue;
		}
		if (value == NULL && ++at == *argc)
			return clog_error_set(err, -EINVAL, "%s needs a value", names[key]);
		texts[key] = value != NULL ? value : argv[at];
		if (texts[key][0] == '\0')
			return clog_error_set(err, -EINVAL, "%s is empty", names[key]);
	}
	while (at < *argc)
		argv[kept++] = argv[at++];
	*argc = kept;
	argv[kept] = NULL;
	return 0;
}

int target_take(struct target *target, int *argc, char *argv[], target_lookup_cb lookup, void *arg,
                struct clog_error *err)
{
	const char *texts[KEY_COUNT] = {NULL};
	const int rc = take_words(texts, argc, argv, err);
	if (rc != 0)
		return rc;
	*target = (struct target){0};
	for (int key = 0; key < KEY_COUNT; key++) {
		target->told = target->told || texts[key] != NULL;
		const char *const variable = texts[key] == NULL ? lookup(variables[key], arg) : NULL;
		if (variable != NULL && variable[0] != '\0')
			texts[key] = variable;
	}
	target->servers_told = texts[SERVER] != NULL;
	target->servers = texts[SERVER] != NULL ? texts[SERVER] : TARGET_SERVERS;
	target->tls_folder = texts[TLS];
	target->token_file = texts[TOKEN_FILE];
	return 0;
}
