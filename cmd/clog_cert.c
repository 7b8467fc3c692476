#include "cmd/clog.h"

#include "error/error.h"
#include "tls/tls.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_CLUSTER = 256, OPTION_HOST, OPTION_OUT, OPTION_DAYS };

static const struct option long_options[] = {
	{"cluster", required_argument, NULL, OPTION_CLUSTER},
	{"host", required_argument, NULL, OPTION_HOST},
	{"out", required_argument, NULL, OPTION_OUT},
	{"days", required_argument, NULL, OPTION_DAYS},
	{NULL, 0, NULL, 0},
};

/* What is said after "clog cert". */
struct words {
	const char *cluster, *out;
	const char *hosts[TLS_HOSTS_MAX];
	size_t host_count;
	unsigned days;         /* 0: not said */
	const char *others[2]; /* the words that are no options */
	int other_count;
};

static int take_days(const char *text, unsigned *days, struct clog_error *err)
{
	char *end;
	errno = 0;
	const unsigned long number = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || number == 0 || number > TLS_DAYS_MAX) {
		clog_error_set(err, -EINVAL, "--days: '%s' is not 1 to %u", text, TLS_DAYS_MAX);
		return CLOG_USAGE;
	}
	*days = (unsigned)number;
	return CLOG_OK;
}

static int take_option(struct words *words, int found, char *const argv[], struct clog_error *err)
{
	switch (found) {
	case OPTION_CLUSTER:
		words->cluster = optarg;
		return CLOG_OK;
	case OPTION_OUT:
		words->out = optarg;
		return CLOG_OK;
	case OPTION_DAYS:
		return take_days(optarg, &words->days, err);
	case OPTION_HOST:
		if (words->host_count == TLS_HOSTS_MAX)
			return clog_refuse(err, "too many --host");
		words->hosts[words->host_count++] = optarg;
		return CLOG_OK;
	default:
		return clog_refuse_option(found, argv, err);
	}
}

static int take_words(struct words *words, int argc, char *argv[], int wanted, struct clog_error *err)
{
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		const int status = take_option(words, found, argv, err);
		if (status != CLOG_OK)
			return status;
	}
	words->other_count = argc - optind;
	if (words->other_count < wanted)
		return clog_refuse(err, "%s",
		                   wanted == 1 ? "the authority's folder is missing"
		                               : "the authority's folder and a name are needed");
	if (words->other_count > wanted)
		return clog_refuse(err, "'%s' is one word too many", argv[optind + wanted]);
	for (int i = 0; i < wanted; i++)
		words->others[i] = argv[optind + i];
	return CLOG_OK;
}

static int status_of(int rc)
{
	return rc == 0 ? CLOG_OK : rc == -EINVAL ? CLOG_USAGE : CLOG_FAILED;
}

static int init(int argc, char *argv[], struct clog_error *err)
{
	struct words words = {0};
	const int status = take_words(&words, argc, argv, 1, err);
	if (status != CLOG_OK)
		return status;
	if (words.cluster == NULL)
		return clog_refuse(err, "--cluster NAME is missing: the cluster's name goes into its certificates");
	if (words.out != NULL || words.host_count > 0)
		return clog_refuse(err, "clog cert init takes neither --out nor --host");
	return status_of(tls_authority_create(words.others[0], words.cluster,
	                                      words.days != 0 ? words.days : TLS_ROOT_DAYS, err));
}

static int issue(int argc, char *argv[], enum tls_kind kind, struct clog_error *err)
{
	struct words words = {0};
	const int status = take_words(&words, argc, argv, 2, err);
	if (status != CLOG_OK)
		return status;
	if (words.out == NULL)
		return clog_refuse(err, "--out DIR is missing: the folder for the certificate and its key");
	if (words.cluster != NULL)
		return clog_refuse(err, "the cluster's name is the authority's: --cluster is for clog cert init");
	if (kind == TLS_MEMBER && words.host_count == 0)
		return clog_refuse(err, "--host HOST is missing: the name or address by which others reach the member");
	if (kind == TLS_CLIENT && words.host_count > 0)
		return clog_refuse(err, "a client has no --host");
	const struct tls_issue wanted = {.kind = kind,
	                                 .name = words.others[1],
	                                 .hosts = words.hosts,
	                                 .host_count = words.host_count,
	                                 .days = words.days != 0 ? words.days : TLS_LEAF_DAYS};
	return status_of(tls_issue(words.others[0], &wanted, words.out, err));
}

int clog_cert(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	(void)target;
	const char *const command = argc > 1 ? argv[1] : "";
	if (strcmp(command, "init") == 0)
		return init(argc - 1, argv + 1, err);
	if (strcmp(command, "member") == 0)
		return issue(argc - 1, argv + 1, TLS_MEMBER, err);
	if (strcmp(command, "client") == 0)
		return issue(argc - 1, argv + 1, TLS_CLIENT, err);
	return clog_refuse(err, "clog cert takes init, member or client");
}
