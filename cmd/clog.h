/* clog: the commands of the program, each in a file of its own. */
#ifndef CLOG_CMD_CLOG_H
#define CLOG_CMD_CLOG_H

struct clog_error;
struct target;

/* What a command ends with: main prints the sentence of err, if there is one, and exits. */
enum { CLOG_OK = 0, CLOG_FAILED = 1, CLOG_USAGE = 2 };

/* What --help prints. */
extern const char clog_help[];

/* A command takes its own words, argv[0] being the command's, and gives one of these. It prints what was asked for to
 * stdout. Uses getopt_long. Those that ask a server are told which. */
int clog_cert(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_verify(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_member(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_transfer(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_append(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_read(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_tail(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_status(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_token(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_acl(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_bench(const struct target *target, int argc, char *argv[], struct clog_error *err);
int clog_mount(const struct target *target, int argc, char *argv[], struct clog_error *err);

/* Says in err what is wrong with the words, and where help is. Gives CLOG_USAGE. */
int clog_refuse(struct clog_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says in err which option getopt_long did not take, when it gave '?' or ':', with opterr 0 and a leading ':' in its
 * short options. Gives CLOG_USAGE. */
int clog_refuse_option(int found, char *const argv[], struct clog_error *err);

#endif
