/* clog: the program for who has a cluster. Its commands are in files of their own; this one finds them. */
#include "cmd/clog.h"

#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"clog: a replicated commit log that is used as files\n"
	"\n"
	"  clog cert init CADIR --cluster NAME [--days N]\n"
	"                          makes an authority for a cluster's certificates\n"
	"  clog cert member CADIR NAME --host HOST... --out DIR [--days N]\n"
	"                          makes a member's: DIR is what clogd --tls takes\n"
	"  clog cert client CADIR NAME --out DIR [--days N]\n"
	"                          makes a client's\n"
	"  clog member list [--mount DIR]\n"
	"                          prints the members, as a member that is mounted here knows them\n"
	"  clog member remove NAME [--mount DIR]\n"
	"  clog member role NAME voter|standby|spare [--mount DIR]\n"
	"  clog transfer NAME [--mount DIR]\n"
	"                          makes a member the leader\n"
	"  clog verify SOURCE SOURCE...\n"
	"                          compares logs: data folders of members, or digests of them\n"
	"  clog verify --digest DIR\n"
	"                          prints the digest of a data folder\n"
	"  clog --help | --version\n"
	"\n"
	"A mount is /mnt/clog where nothing else is said. Exit status: 0 done, 1 failed, 2 wrong words.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char *argv[], struct clog_error *err);
} commands[] = {{"cert", clog_cert}, {"member", clog_member}, {"transfer", clog_transfer}, {"verify", clog_verify}};

int clog_refuse_option(int found, char *const argv[], struct clog_error *err)
{
	const char *const word = argv[optind - 1];
	if (found == ':')
		clog_error_set(err, -EINVAL, "%s needs a value", word);
	else
		clog_error_set(err, -EINVAL, "'%s' is not an option here; clog --help lists all", word);
	return CLOG_USAGE;
}

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

static int run(int argc, char *argv[], struct clog_error *err)
{
	if (argc < 2) {
		clog_error_set(err, -EINVAL, "a command is missing; clog --help lists all");
		return CLOG_USAGE;
	}
	if (wants_help(argc, argv))
		return print(help, err);
	if (strcmp(argv[1], "--version") == 0)
		return print("clog " CLOG_VERSION "\n", err);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1, err);
	clog_error_set(err, -EINVAL, "there is no command '%s'; clog --help lists all", argv[1]);
	return CLOG_USAGE;
}

int main(int argc, char *argv[])
{
	struct clog_error err = {0};
	opterr = 0;
	const int status = run(argc, argv, &err);
	if (err.text[0] != '\0')
		fprintf(stderr, "clog: %s\n", err.text);
	return status;
}
