#include "cmd/config.h"

#include "error/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cyaml/cyaml.h>

static const cyaml_strval_t switches[] = {
	{"yes", CONFIG_YES},
	{"no", CONFIG_NO},
	{"true", CONFIG_YES},
	{"false", CONFIG_NO},
};

#define TEXT(key, member) CYAML_FIELD_STRING(key, CYAML_FLAG_OPTIONAL, struct config, member, 1)
#define SWITCH(key, member)                                                                                            \
	CYAML_FIELD_ENUM(key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct config, member, switches, 4)
#define MOUNTS_KEY "mount"
static const cyaml_schema_value_t mount_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_DEFAULT, char[CONFIG_PATH_SIZE], 1, CONFIG_PATH_SIZE - 1),
};
/* A schema has one type for a key: a file is read by the first, and where mount is no text there, by the second. */
#define FIELDS(mounts)                                                                                                 \
	TEXT("data", data), mounts, TEXT("name", name), TEXT("peer", peer), TEXT("advertise", advertise),              \
		TEXT("join", join), TEXT("tls", tls), TEXT("tls-min", tls_min), TEXT("grpc", grpc),                    \
		TEXT("http", http), TEXT("jwt-keys", jwt_keys), TEXT("jwt-audience", jwt_audience),                    \
		SWITCH("guard", guard), SWITCH("allow-other", allow_other), TEXT("owner", owner), TEXT("mode", mode),  \
		CYAML_FIELD_END
static const cyaml_schema_field_t fields[] = {FIELDS(TEXT(MOUNTS_KEY, mount[0]))};
static const cyaml_schema_field_t list_fields[] = {FIELDS(CYAML_FIELD_SEQUENCE(
	MOUNTS_KEY, CYAML_FLAG_OPTIONAL, struct config, mount, &mount_entry, 1, CONFIG_MOUNTS_MAX))};
static const cyaml_schema_value_t schemas[] = {
	{CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, fields)},
	{CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, list_fields)},
};

/* What libcyaml said about a file, in lines to its log: the reason, and then the place. */
struct complaint {
	char reason[256];
	char key[32];  /* empty outside of any value */
	unsigned line; /* 0 where unknown. For all but a wrong value it is that of what stands before. */
};

static void take_log(cyaml_log_t level, void *arg, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
static void take_log(cyaml_log_t level, void *arg, const char *format, va_list args)
{
	(void)level;
	struct complaint *const complaint = arg;
	char text[sizeof complaint->reason];
	vsnprintf(text, sizeof text, format, args);
	text[strcspn(text, "\n")] = '\0';
	char key[sizeof complaint->key];
	unsigned line;
	if (sscanf(text, " in mapping field '%31[^']' (line: %u", key, &line) == 2) {
		memcpy(complaint->key, key, sizeof key);
		complaint->line = line;
	} else if (sscanf(text, " in mapping (line: %u", &line) == 1) {
		complaint->line = line;
	} else if (complaint->reason[0] == '\0' && strstr(text, "Backtrace") == NULL) {
		memcpy(complaint->reason, text, sizeof text);
	}
}

/* What follows the words in the reason, or all of it. */
static const char *after(const char *reason, const char *words)
{
	const char *const found = strstr(reason, words);
	return found != NULL ? found + strlen(words) : reason;
}

static const cyaml_schema_field_t *field_of(const char *key)
{
	for (const cyaml_schema_field_t *field = fields; field->key != NULL; field++)
		if (strcmp(field->key, key) == 0)
			return field;
	return NULL;
}

static int refuse_value(cyaml_err_t status, const struct complaint *complaint, const char *place,
                        struct clog_error *err)
{
	const cyaml_schema_field_t *const field = field_of(complaint->key);
	if (field == NULL)
		return clog_error_set(err, -EINVAL, "%s: not a mapping of keys to values, such as data: /var/lib/clog",
		                      place);
	if (field->value.type == CYAML_ENUM)
		return clog_error_set(err, -EINVAL, "%s: %s is yes or no", place, field->key);
	if (status == CYAML_ERR_STRING_LENGTH_MAX)
		return clog_error_set(err, -EINVAL, "%s: %s is longer than %u bytes", place, field->key,
		                      (unsigned)field->value.string.max);
	if (status == CYAML_ERR_STRING_LENGTH_MIN)
		return clog_error_set(err, -EINVAL, "%s: %s is empty", place, field->key);
	if (strcmp(field->key, MOUNTS_KEY) == 0)
		return clog_error_set(err, -EINVAL, "%s: %s is one text, or a list of at most %d", place, field->key,
		                      CONFIG_MOUNTS_MAX);
	return clog_error_set(err, -EINVAL, "%s: %s is one text, not a list or a mapping", place, field->key);
}

static int refuse(cyaml_err_t status, const struct complaint *complaint, const char *path, struct clog_error *err)
{
	const bool value = status == CYAML_ERR_INVALID_VALUE || status == CYAML_ERR_STRING_LENGTH_MIN ||
	                   status == CYAML_ERR_STRING_LENGTH_MAX || status == CYAML_ERR_SEQUENCE_ENTRIES_MIN ||
	                   status == CYAML_ERR_SEQUENCE_ENTRIES_MAX;
	char place[CLOG_ERROR_TEXT_SIZE];
	if (complaint->line > 0)
		snprintf(place, sizeof place, "%s, %sline %u", path, value ? "" : "near ", complaint->line);
	else
		snprintf(place, sizeof place, "%s", path);
	if (value)
		return refuse_value(status, complaint, place, err);
	switch (status) {
	case CYAML_ERR_INVALID_KEY:
		return clog_error_set(err, -EINVAL, "%s: unknown key '%s'", place, after(complaint->reason, "key: "));
	case CYAML_ERR_LIBYAML_PARSER:
		return clog_error_set(err, -EINVAL, "%s: not YAML: %s", place, after(complaint->reason, "libyaml: "));
	case CYAML_ERR_UNEXPECTED_EVENT:
		return clog_error_set(err, -EINVAL, "%s: %s is given twice", place, complaint->key);
	case CYAML_ERR_ALIAS:
		return clog_error_set(err, -EINVAL, "%s: aliases are not understood here", place);
	case CYAML_ERR_OOM:
		return clog_error_set(err, -ENOMEM, "%s: out of memory", place);
	case CYAML_OK:
		return clog_error_set(err, -EINVAL, "%s: more than one document", place);
	default:
		return clog_error_set(err, -EINVAL, "%s: not a configuration: %s", place, cyaml_strerror(status));
	}
}

static cyaml_err_t parse_by(const cyaml_schema_value_t *schema, struct config *config, const char *text, size_t size,
                            struct complaint *complaint)
{
	const cyaml_config_t cyaml = {
		.log_fn = take_log,
		.log_ctx = complaint,
		.log_level = CYAML_LOG_WARNING,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	struct config *loaded = NULL;
	*complaint = (struct complaint){0};
	const cyaml_err_t status = cyaml_load_data((const uint8_t *)text, size, &cyaml, schema,
	                                           (cyaml_data_t **)&loaded, NULL);
	if (status == CYAML_OK && loaded != NULL) /* an empty file gives none */
		*config = *loaded;
	cyaml_free(&cyaml, schema, loaded, 0);
	return status;
}

int config_parse(struct config *config, const char *path, const char *text, size_t size, struct clog_error *err)
{
	*config = (struct config){0};
	struct complaint complaint;
	cyaml_err_t status = parse_by(&schemas[0], config, text, size, &complaint);
	if (status == CYAML_ERR_INVALID_VALUE && strcmp(complaint.key, MOUNTS_KEY) == 0)
		status = parse_by(&schemas[1], config, text, size, &complaint);
	else if (config->mount[0][0] != '\0')
		config->mount_count = 1;
	/* The one warning there is tells that what follows the first document was passed over. */
	return status != CYAML_OK || complaint.reason[0] != '\0' ? refuse(status, &complaint, path, err) : 0;
}

static int read_file(int file, char *text, size_t capacity, size_t *size)
{
	*size = 0;
	while (*size < capacity) {
		const ssize_t count = read(file, text + *size, capacity - *size);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			return 0;
		*size += (size_t)count;
	}
	return -EFBIG;
}

int config_load(struct config *config, const char *path, struct clog_error *err)
{
	char *const text = malloc(CONFIG_FILE_SIZE_MAX + 1);
	if (text == NULL)
		return clog_error_set(err, -ENOMEM, "%s: out of memory", path);
	const int file = open(path, O_RDONLY | O_CLOEXEC);
	int status = file < 0 ? -errno : 0;
	size_t size = 0;
	if (status == 0) {
		status = read_file(file, text, CONFIG_FILE_SIZE_MAX + 1, &size);
		close(file);
	}
	if (status == -EFBIG)
		clog_error_set(err, status, "%s: larger than a configuration file may be, %u bytes", path,
		               CONFIG_FILE_SIZE_MAX);
	else if (status < 0)
		clog_error_set(err, status, "%s: the configuration file cannot be read: %s", path, strerror(-status));
	else
		status = config_parse(config, path, text, size, err);
	free(text);
	return status;
}
