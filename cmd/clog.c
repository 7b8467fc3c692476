/* clog: the program for who has a cluster, or uses one. Its commands are in files of their own; this one finds them. */
#include "cmd/clog.h"

#include "cmd/target.h"
#include "error/error.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	bool remote; /* asks a server */
	int (*run)(const struct target *target, int argc, char *argv[], struct clog_error *err);
} commands[] = {
	{"append", true, clog_append},     {"read", true, clog_read},   {"tail", true, clog_tail},
	{"mount", true, clog_mount},       {"bench", true, clog_bench}, {"status", true, clog_status},
	{"token", true, clog_token},       {"acl", true, clog_acl},     {"member", true, clog_member},
	{"transfer", true, clog_transfer}, {"cert", false, clog_cert},  {"verify", false, clog_verify},
};

static int print(const char *text, struct clog_error *err)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return CLOG_OK;
	clog_error_set(err, -errno, "it cannot be printed: %s", strerror(errno));
	return CLOG_FAILED;
}

/* Whether help is asked for anywhere among the words, up to a "--". */
static bool wants_help(int argc, char *const argv[])
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static const char *look_up(const char *variable, void *arg)
{
	(void)arg;
	return getenv(variable);
}

static int run(int argc, char *argv[], struct clog_error *err)
{
	struct target target;
	if (wants_help(argc, argv))
		return print(clog_help, err);
	if (target_take(&target, &argc, argv, look_up, NULL, err) != 0)
		return CLOG_USAGE;
	if (argc < 2)
		return clog_refuse(err, "a command is missing");
	if (strcmp(argv[1], "--version") == 0)
		return print("clog " CLOG_VERSION "\n", err);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (target.told && !commands[i].remote)
			return clog_refuse(err,
			                   "clog %s asks no server: --server, --tls and --token-file are not for it",
			                   argv[1]);
		return commands[i].run(&target, argc - 1, argv + 1, err);
	}
	return clog_refuse(err, "there is no command '%s'", argv[1]);
}

/* Whoever starts it with stdin, stdout or stderr closed shall not have a connection or a file take the place: what is printed
 * would go there. What is opened instead can be neither read from nor written to. */
static void occupy(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			exit(CLOG_FAILED);
}

int main(int argc, char *argv[])
{
	struct clog_error err = {0};
	occupy();
	opterr = 0;
	const int status = run(argc, argv, &err);
	/* A path may have control bytes, and so may what somebody else said. */
	for (char *byte = err.text; *byte != '\0'; byte++)
		if ((unsigned char)*byte < ' ' || *byte == 0x7f)
			*byte = '?';
	if (err.text[0] != '\0')
		fprintf(stderr, "clog: %s\n", err.text);
	return status;
}
