#include "cmd/options.h"

#include "cmd/owner.h"
#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char options_help[] =
	"clogd: a member of a replicated commit log that is used as files\n"
	"\n"
	"  clogd --data DIR [--mount DIR] [OPTION...]\n"
	"\n"
	"  --data DIR              the member's data; the folder is made when it is not there\n"
	"  --mount DIR             where the log appears as files: an empty folder, or one to be made; may be "
	"repeated\n"
	"  --name NAME             of a new member; default: the first label of the host's name\n"
	"  --peer HOST:PORT        where this member listens to the others\n"
	"  --advertise HOST:PORT   where the others reach it; default: where it listens\n"
	"  --join HOST:PORT[,...]  of a new member: other members, any of which brings it into their cluster; or\n"
	"         dns:NAME:PORT    all that the name stands for. Without it a new member is a cluster of its own\n"
	"  --tls DIR               the folder of ca.pem, cert.pem and key.pem, by which members know\n"
	"                          each other; without it they must all be on this machine\n"
	"  --tls-min 1.2|1.3       the oldest TLS that clients of gRPC and HTTP may speak; default: 1.3\n"
	"  --grpc HOST:PORT        where programs reach the log over gRPC; without --tls on this machine only\n"
	"  --http HOST:PORT        where they reach it by HTTP and JSON; without --tls on this machine only\n"
	"  --jwt-keys DIR          the folder of the public keys, KID.pem, that JSON Web Tokens are checked by\n"
	"  --jwt-audience NAME     whom they must be for, if they say so; default: the cluster's name\n"
	"  --guard yes|no          make the folder under the mount immutable, so that nothing is written there\n"
	"                          while it is not mounted; default: yes\n"
	"  --allow-other[=yes|no]  let other users into the mount, for what --mode says; default: no\n"
	"  --owner USER[:GROUP]    whose the files of the mount are; default: who runs clogd\n"
	"  --mode OCTAL            who may append (w) and read (r); default: 644\n"
	"  --config FILE           a YAML file with the same keys, such as data: /var/lib/clog\n"
	"  --help                  print this\n"
	"  --version               print the version\n"
	"\n"
	"Each option but the last two may be a variable of the environment too: CLOG_DATA, CLOG_MOUNT, CLOG_NAME,\n"
	"CLOG_PEER, CLOG_ADVERTISE, CLOG_JOIN, CLOG_TLS, CLOG_TLS_MIN, CLOG_GRPC, CLOG_HTTP,\n"
	"CLOG_JWT_KEYS, CLOG_JWT_AUDIENCE, CLOG_GUARD,\n"
	"CLOG_ALLOW_OTHER, CLOG_OWNER, CLOG_MODE, CLOG_CONFIG.\n"
	"The command line comes before the environment, that before the file.\n"
	"SIGTERM and SIGINT end it cleanly. Exit status: 0 ended cleanly, 1 failed, 2 wrong options.\n";

/* clang-format off */
enum key { DATA, MOUNT, NAME, PEER, ADVERTISE, JOIN, TLS, TLS_MIN, GRPC, HTTP, JWT_KEYS, JWT_AUDIENCE, GUARD, ALLOW_OTHER, OWNER, MODE, CONFIG,
	KEY_COUNT };
/* clang-format on */
enum { HELP = KEY_COUNT, VERSION };

/* What getopt_long gives for an option is past all characters, so that it can be told from a short option. */
#define LONG 256

static const struct option long_options[] = {
	{"data", required_argument, NULL, LONG + DATA},
	{"mount", required_argument, NULL, LONG + MOUNT},
	{"name", required_argument, NULL, LONG + NAME},
	{"peer", required_argument, NULL, LONG + PEER},
	{"advertise", required_argument, NULL, LONG + ADVERTISE},
	{"join", required_argument, NULL, LONG + JOIN},
	{"tls", required_argument, NULL, LONG + TLS},
	{"tls-min", required_argument, NULL, LONG + TLS_MIN},
	{"grpc", required_argument, NULL, LONG + GRPC},
	{"http", required_argument, NULL, LONG + HTTP},
	{"jwt-keys", required_argument, NULL, LONG + JWT_KEYS},
	{"jwt-audience", required_argument, NULL, LONG + JWT_AUDIENCE},
	{"guard", required_argument, NULL, LONG + GUARD},
	{"allow-other", optional_argument, NULL, LONG + ALLOW_OTHER},
	{"owner", required_argument, NULL, LONG + OWNER},
	{"mode", required_argument, NULL, LONG + MODE},
	{"config", required_argument, NULL, LONG + CONFIG},
	{"help", no_argument, NULL, LONG + HELP},
	{"version", no_argument, NULL, LONG + VERSION},
	{NULL, 0, NULL, 0},
};

static const char *const variables[KEY_COUNT] = {
	[DATA] = "CLOG_DATA",
	[MOUNT] = "CLOG_MOUNT",
	[NAME] = "CLOG_NAME",
	[PEER] = "CLOG_PEER",
	[ADVERTISE] = "CLOG_ADVERTISE",
	[JOIN] = "CLOG_JOIN",
	[TLS] = "CLOG_TLS",
	[GUARD] = "CLOG_GUARD",
	[ALLOW_OTHER] = "CLOG_ALLOW_OTHER",
	[OWNER] = "CLOG_OWNER",
	[MODE] = "CLOG_MODE",
	[CONFIG] = "CLOG_CONFIG",
	[GRPC] = "CLOG_GRPC",
	[HTTP] = "CLOG_HTTP",
	[TLS_MIN] = "CLOG_TLS_MIN",
	[JWT_KEYS] = "CLOG_JWT_KEYS",
	[JWT_AUDIENCE] = "CLOG_JWT_AUDIENCE",
};

/* The texts that one source gives; NULL where it gives none. The last of MOUNT's is among the texts, too. */
struct source {
	const char *texts[KEY_COUNT];
	const char *mounts[CONFIG_MOUNTS_MAX];
	size_t mount_count;
};

static const char *const switch_words[] = {[CONFIG_UNSET] = NULL, [CONFIG_YES] = "yes", [CONFIG_NO] = "no"};

static enum config_switch switch_of(const char *text)
{
	if (strcmp(text, "yes") == 0 || strcmp(text, "true") == 0)
		return CONFIG_YES;
	if (strcmp(text, "no") == 0 || strcmp(text, "false") == 0)
		return CONFIG_NO;
	return CONFIG_UNSET;
}

static bool is_name(const char *text)
{
	const size_t size = strlen(text);
	return size > 0 && size < CONFIG_NAME_SIZE && text[0] != '.' &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

/* HOST:PORT or [V6]:PORT, as far as its form tells: names are looked up when it starts. */
static bool is_address(const char *text, size_t size)
{
	size_t port = size;
	while (port > 0 && text[port - 1] != ':')
		port--;
	const size_t digits = size - port;
	if (port < 2 || digits == 0 || digits > 5 || size >= CONFIG_ADDRESS_SIZE)
		return false;
	unsigned long number = 0;
	for (size_t i = port; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = 10 * number + (unsigned long)(text[i] - '0');
	}
	const bool bracketed = text[0] == '[' && text[port - 2] == ']';
	return number <= 65535 && number > 0 && (bracketed || memchr(text, ':', port - 1) == NULL);
}

static int check_join(const char *text, const char *label, struct clog_error *err)
{
	unsigned count = 0;
	for (const char *at = text;; at++) {
		size_t size = strcspn(at, ",");
		const size_t prefix = strncmp(at, "dns:", 4) == 0 ? 4 : 0;
		if (!is_address(at + prefix, size - prefix))
			return clog_error_set(err, -EINVAL, "%s: '%.*s' is no HOST:PORT, and no dns:NAME:PORT", label,
			                      (int)size, at);
		if (++count > OPTIONS_JOIN_MAX)
			return clog_error_set(err, -EINVAL, "%s: more than %u addresses", label, OPTIONS_JOIN_MAX);
		at += size;
		if (*at == '\0')
			return 0;
	}
}

/* Checks a value that was given under a label, such as "--name" or "CLOG_NAME". */
static int check(enum key key, const char *text, const char *label, struct clog_error *err)
{
	if (text[0] == '\0')
		return clog_error_set(err, -EINVAL, "%s is empty", label);
	if ((key == GUARD || key == ALLOW_OTHER) && switch_of(text) == CONFIG_UNSET)
		return clog_error_set(err, -EINVAL, "%s is yes or no, not '%s'", label, text);
	if (key == TLS_MIN && strcmp(text, "1.2") != 0 && strcmp(text, "1.3") != 0)
		return clog_error_set(err, -EINVAL, "%s is 1.2 or 1.3, not '%s'", label, text);
	if (key == NAME && !is_name(text))
		return clog_error_set(
			err, -EINVAL,
			"%s: '%s' is no name for a member: at most %d of A-Z, a-z, 0-9, '.', '_' and '-', "
			"not beginning with a dot",
			label, text, CONFIG_NAME_SIZE - 1);
	if ((key == PEER || key == ADVERTISE || key == GRPC || key == HTTP) && !is_address(text, strlen(text)))
		return clog_error_set(err, -EINVAL, "%s: '%s' is no HOST:PORT", label, text);
	if (key == JOIN)
		return check_join(text, label, err);
	uid_t uid;
	gid_t gid;
	mode_t mode;
	if (key == OWNER)
		return owner_parse(text, label, &uid, &gid, err);
	if (key == MODE)
		return owner_parse_mode(text, label, &mode, err);
	if (key == JWT_AUDIENCE && strlen(text) >= CONFIG_AUDIENCE_SIZE)
		return clog_error_set(err, -EINVAL, "%s is longer than %d bytes", label, CONFIG_AUDIENCE_SIZE - 1);
	if (strlen(text) >= CONFIG_PATH_SIZE)
		return clog_error_set(err, -EINVAL, "%s is longer than %d bytes", label, CONFIG_PATH_SIZE - 1);
	return 0;
}

static int add_mount(struct source *source, const char *text, const char *label, struct clog_error *err)
{
	if (source->mount_count == CONFIG_MOUNTS_MAX)
		return clog_error_set(err, -EINVAL, "%s: more than %d folders", label, CONFIG_MOUNTS_MAX);
	source->mounts[source->mount_count++] = text;
	return 0;
}

static int refuse_argument(int found, char *argv[], struct clog_error *err)
{
	if (optopt >= LONG && found == ':')
		return clog_error_set(err, -EINVAL, "--%s needs a value", long_options[optopt - LONG].name);
	if (optopt >= LONG)
		return clog_error_set(err, -EINVAL, "--%s takes no value", long_options[optopt - LONG].name);
	if (optopt != 0)
		return clog_error_set(err, -EINVAL, "unknown option '-%c'; clogd --help lists all", optopt);
	return clog_error_set(err, -EINVAL, "unknown option '%s'; clogd --help lists all", argv[optind - 1]);
}

static int take_arguments(struct source *source, enum options_action *action, int argc, char *argv[],
                          struct clog_error *err)
{
	*action = OPTIONS_RUN;
	opterr = 0;
	optind = 0; /* from the beginning, for a second call */
	for (int found; (found = getopt_long(argc, argv, "+:", long_options, NULL)) != -1;) {
		if (found < LONG)
			return refuse_argument(found, argv, err);
		const int option = found - LONG;
		if (option == HELP || option == VERSION) {
			*action = option == HELP ? OPTIONS_HELP : OPTIONS_VERSION;
			return 0;
		}
		source->texts[option] = optarg != NULL ? optarg : switch_words[CONFIG_YES];
		char label[32];
		snprintf(label, sizeof label, "--%s", long_options[option].name);
		int status = check((enum key)option, source->texts[option], label, err);
		if (status == 0 && option == MOUNT)
			status = add_mount(source, optarg, label, err);
		if (status < 0)
			return status;
	}
	if (optind < argc)
		return clog_error_set(err, -EINVAL, "'%s' is not an option; clogd --help lists all", argv[optind]);
	return 0;
}

static int take_environment(struct source *source, options_lookup_cb lookup, void *arg, struct clog_error *err)
{
	for (int key = 0; key < KEY_COUNT; key++) {
		const char *const text = lookup(variables[key], arg);
		if (text == NULL || text[0] == '\0')
			continue;
		source->texts[key] = text;
		int status = check((enum key)key, text, variables[key], err);
		if (status == 0 && key == MOUNT)
			status = add_mount(source, text, variables[key], err);
		if (status < 0)
			return status;
	}
	return 0;
}

static int take_file(struct source *source, struct config *config, const char *path, struct clog_error *err)
{
	const int status = config_load(config, path, err);
	if (status < 0)
		return status;
	source->texts[DATA] = config->data[0] != '\0' ? config->data : NULL;
	for (; source->mount_count < config->mount_count; source->mount_count++)
		source->mounts[source->mount_count] = config->mount[source->mount_count];
	source->texts[NAME] = config->name[0] != '\0' ? config->name : NULL;
	source->texts[PEER] = config->peer[0] != '\0' ? config->peer : NULL;
	source->texts[ADVERTISE] = config->advertise[0] != '\0' ? config->advertise : NULL;
	source->texts[JOIN] = config->join[0] != '\0' ? config->join : NULL;
	source->texts[HTTP] = config->http[0] != '\0' ? config->http : NULL;
	source->texts[TLS] = config->tls[0] != '\0' ? config->tls : NULL;
	source->texts[TLS_MIN] = config->tls_min[0] != '\0' ? config->tls_min : NULL;
	source->texts[GRPC] = config->grpc[0] != '\0' ? config->grpc : NULL;
	source->texts[JWT_KEYS] = config->jwt_keys[0] != '\0' ? config->jwt_keys : NULL;
	source->texts[JWT_AUDIENCE] = config->jwt_audience[0] != '\0' ? config->jwt_audience : NULL;
	source->texts[GUARD] = switch_words[config->guard];
	source->texts[ALLOW_OTHER] = switch_words[config->allow_other];
	source->texts[OWNER] = config->owner[0] != '\0' ? config->owner : NULL;
	source->texts[MODE] = config->mode[0] != '\0' ? config->mode : NULL;
	static const enum key checked[] = {NAME, PEER, ADVERTISE, JOIN, TLS_MIN, GRPC, HTTP, OWNER, MODE};
	for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++) {
		char label[CLOG_ERROR_TEXT_SIZE];
		if (source->texts[checked[i]] == NULL)
			continue;
		snprintf(label, sizeof label, "%s: %s", path, long_options[checked[i]].name);
		const int wrong = check(checked[i], source->texts[checked[i]], label, err);
		if (wrong < 0)
			return wrong;
	}
	return 0;
}

/* Takes what counts of the sources, the last of which is the weakest. */
static void merge(struct options *options, const struct source *sources, size_t count, const char *texts[KEY_COUNT])
{
	for (size_t source = count; source-- > 0;) {
		for (int key = 0; key < KEY_COUNT; key++)
			if (sources[source].texts[key] != NULL)
				texts[key] = sources[source].texts[key];
		if (sources[source].mount_count == 0)
			continue;
		memcpy(options->mounts, sources[source].mounts, sizeof options->mounts);
		options->mount_count = sources[source].mount_count;
	}
}

/* Whose the files are, and who may what: the texts were found right when they were taken. */
static int take_owner(struct options *options, const char *owner, const char *mode, struct clog_error *err)
{
	options->owner = owner;
	options->uid = geteuid();
	options->gid = getegid();
	int status = owner_parse_mode(mode, "--mode", &options->mode, err);
	if (status == 0 && owner != NULL)
		status = owner_parse(owner, "--owner", &options->uid, &options->gid, err);
	if (status == 0 && options->uid != geteuid() && !options->allow_other)
		return clog_error_set(
			err, -EINVAL,
			"--owner %s needs --allow-other: without it the mount is for who runs clogd alone", owner);
	return status;
}

static void fill(struct options *options, const char *const texts[KEY_COUNT])
{
	options->data = texts[DATA];
	options->name = texts[NAME];
	options->peer = texts[PEER];
	options->advertise = texts[ADVERTISE];
	options->join = texts[JOIN];
	options->http = texts[HTTP];
	options->tls = texts[TLS];
	options->tls_1_2 = strcmp(texts[TLS_MIN], "1.2") == 0;
	options->grpc = texts[GRPC];
	options->jwt_keys = texts[JWT_KEYS];
	options->jwt_audience = texts[JWT_AUDIENCE];
	options->guard = switch_of(texts[GUARD]) == CONFIG_YES;
	options->allow_other = switch_of(texts[ALLOW_OTHER]) == CONFIG_YES;
}

int options_read(struct options *options, int argc, char *argv[], options_lookup_cb lookup, void *arg,
                 struct clog_error *err)
{
	*options = (struct options){0};
	enum { ARGUMENTS, ENVIRONMENT, CONFIG_FILE, SOURCE_COUNT }; /* falling precedence */
	struct source sources[SOURCE_COUNT] = {0};
	int status = take_arguments(&sources[ARGUMENTS], &options->action, argc, argv, err);
	if (status < 0 || options->action != OPTIONS_RUN)
		return status;
	status = take_environment(&sources[ENVIRONMENT], lookup, arg, err);
	if (status < 0)
		return status;
	options->config = sources[ARGUMENTS].texts[CONFIG];
	if (options->config == NULL)
		options->config = sources[ENVIRONMENT].texts[CONFIG];
	if (options->config != NULL)
		status = take_file(&sources[CONFIG_FILE], &options->file, options->config, err);
	if (status < 0)
		return status;

	const char *texts[KEY_COUNT] = {[GUARD] = "yes", [ALLOW_OTHER] = "no", [MODE] = "644", [TLS_MIN] = "1.3"};
	merge(options, sources, SOURCE_COUNT, texts);
	fill(options, texts);
	if (options->data == NULL)
		return clog_error_set(err, -EINVAL, "where the data shall be is not said: --data DIR is needed");
	if (options->peer == NULL && (options->join != NULL || options->advertise != NULL))
		return clog_error_set(err, -EINVAL,
		                      "--%s needs --peer HOST:PORT: where this member listens to the others",
		                      options->join != NULL ? "join" : "advertise");
	if (options->jwt_audience != NULL && options->jwt_keys == NULL)
		return clog_error_set(err, -EINVAL, "--jwt-audience needs --jwt-keys DIR");
	return take_owner(options, texts[OWNER], texts[MODE], err);
}

int options_host_name(const char *host, char name[static CONFIG_NAME_SIZE], struct clog_error *err)
{
	const size_t size = strcspn(host, ".");
	if (size < CONFIG_NAME_SIZE) {
		memcpy(name, host, size);
		name[size] = '\0';
		if (is_name(name))
			return 0;
	}
	return clog_error_set(err, -EINVAL, "the host's name, '%s', is no name for a member: give one by --name", host);
}

const char *options_clients_address(const struct options *options, const char *known,
                                    char text[static OPTIONS_CLIENTS_SIZE])
{
	const char *const peers = options->advertise != NULL ? options->advertise
	                          : options->peer != NULL    ? options->peer
	                                                     : known;
	const char *const end = strrchr(peers, ':');
	if (end == NULL || (strncmp(options->grpc, "0.0.0.0:", 8) != 0 && strncmp(options->grpc, "[::]:", 5) != 0))
		return NULL;
	snprintf(text, OPTIONS_CLIENTS_SIZE, "%.*s%s", (int)(end - peers), peers, strrchr(options->grpc, ':'));
	return text;
}

/* Writes a text as YAML: plain where that is a path for certain, else in double quotes. */
static void write_value(FILE *stream, const char *before, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
	if (text[0] == '/' && strspn(text, plain) == strlen(text)) {
		fprintf(stream, "%s%s\n", before, text);
		return;
	}
	fprintf(stream, "%s\"", before);
	for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++) {
		if (*byte == '"' || *byte == '\\')
			fprintf(stream, "\\%c", *byte);
		else if (*byte < ' ' || *byte == 0x7f)
			fprintf(stream, "\\x%02x", *byte);
		else if (*byte == 0xc2 && byte[1] >= 0x80 && byte[1] <= 0x9f) /* U+0080 to U+009F: controls too */
			fprintf(stream, "\\x%02x", *++byte);
		else
			fputc(*byte, stream);
	}
	fputs("\"\n", stream);
}

static void write_text(FILE *stream, const char *key, const char *text)
{
	if (text == NULL)
		return;
	fprintf(stream, "%s:", key);
	write_value(stream, " ", text);
}

char *options_render(const struct options *options)
{
	char *text = NULL;
	size_t size = 0;
	FILE *const stream = open_memstream(&text, &size);
	if (stream == NULL)
		return NULL;
	write_text(stream, "data", options->data);
	if (options->mount_count == 1)
		write_text(stream, "mount", options->mounts[0]);
	else if (options->mount_count > 1)
		fputs("mount:\n", stream);
	for (size_t i = 0; options->mount_count > 1 && i < options->mount_count; i++)
		write_value(stream, "  - ", options->mounts[i]);
	write_text(stream, "name", options->name);
	write_text(stream, "peer", options->peer);
	write_text(stream, "advertise", options->advertise);
	write_text(stream, "join", options->join);
	write_text(stream, "tls", options->tls);
	write_text(stream, "tls-min", options->tls_1_2 ? "1.2" : NULL);
	write_text(stream, "grpc", options->grpc);
	write_text(stream, "http", options->http);
	write_text(stream, "jwt-keys", options->jwt_keys);
	write_text(stream, "jwt-audience", options->jwt_audience);
	fprintf(stream, "guard: %s\n", options->guard ? "yes" : "no");
	fprintf(stream, "allow-other: %s\n", options->allow_other ? "yes" : "no");
	write_text(stream, "owner", options->owner);
	fprintf(stream, "mode: %03o\n", (unsigned)options->mode);
	const bool failed = ferror(stream);
	if (fclose(stream) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
