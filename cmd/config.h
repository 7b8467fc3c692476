/* config: the configuration file, one mapping in YAML whose keys are the names of the long options. */
#ifndef CLOG_CMD_CONFIG_H
#define CLOG_CMD_CONFIG_H

#include <stddef.h>

struct clog_error;

#define CONFIG_FILE_SIZE_MAX (64u << 10) /* bytes */
#define CONFIG_PATH_SIZE 4096            /* bytes of a folder's path, its NUL included */
#define CONFIG_MOUNTS_MAX 8              /* folders to mount at */
#define CONFIG_OWNER_SIZE 512            /* bytes of USER:GROUP, its NUL included */
#define CONFIG_MODE_SIZE 16              /* bytes of a mode, its NUL included */
#define CONFIG_TLS_MIN_SIZE 8            /* bytes of a version of TLS, its NUL included */
#define CONFIG_NAME_SIZE 64              /* bytes of a member's name, its NUL included */
#define CONFIG_AUDIENCE_SIZE 256         /* bytes of an audience's name, its NUL included */
#define CONFIG_ADDRESS_SIZE 264          /* bytes of HOST:PORT, its NUL included */

enum config_switch { CONFIG_UNSET, CONFIG_YES, CONFIG_NO };

/* What a file says; empty or UNSET where it says nothing. */
struct config {
	char data[CONFIG_PATH_SIZE];
	char mount[CONFIG_MOUNTS_MAX][CONFIG_PATH_SIZE]; /* one text, or a list */
	unsigned mount_count;
	char name[CONFIG_NAME_SIZE];
	char peer[CONFIG_ADDRESS_SIZE];
	char advertise[CONFIG_ADDRESS_SIZE];
	char join[CONFIG_PATH_SIZE];
	char http[CONFIG_ADDRESS_SIZE];
	char tls[CONFIG_PATH_SIZE];
	char tls_min[CONFIG_TLS_MIN_SIZE];
	char grpc[CONFIG_ADDRESS_SIZE];
	char jwt_keys[CONFIG_PATH_SIZE];
	char jwt_audience[CONFIG_AUDIENCE_SIZE];
	enum config_switch guard;
	enum config_switch allow_other;
	char owner[CONFIG_OWNER_SIZE];
	char mode[CONFIG_MODE_SIZE];
};

/* Reads the file. Errors: the file system's; -EFBIG past CONFIG_FILE_SIZE_MAX; and as config_parse. */
int config_load(struct config *config, const char *path, struct clog_error *err);

/* Takes the text of a file; path is for the sentences. Returns -EINVAL, with a sentence that names the file, the line
 * and the key, for what is not YAML, an unknown or repeated key, a value of another type, an empty or too long one;
 * -ENOMEM. */
int config_parse(struct config *config, const char *path, const char *text, size_t size, struct clog_error *err);

#endif
