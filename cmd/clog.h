/* clog: the commands of the program, each in a file of its own. */
#ifndef CLOG_CMD_CLOG_H
#define CLOG_CMD_CLOG_H

struct clog_error;

/* What a command ends with: main prints the sentence of err, if there is one, and exits. */
enum { CLOG_OK = 0, CLOG_FAILED = 1, CLOG_USAGE = 2 };

/* A command takes its own words, argv[0] being the command's, and gives one of these. It prints what was asked for to
 * stdout. Uses getopt_long. */
int clog_cert(int argc, char *argv[], struct clog_error *err);
int clog_member(int argc, char *argv[], struct clog_error *err);
int clog_transfer(int argc, char *argv[], struct clog_error *err);
int clog_verify(int argc, char *argv[], struct clog_error *err);

/* Says in err which option getopt_long did not take, when it gave '?' or ':', with opterr 0 and a leading ':' in its
 * short options. Gives CLOG_USAGE. */
int clog_refuse_option(int found, char *const argv[], struct clog_error *err);

#endif
