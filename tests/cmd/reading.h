/* reading: options_read over words and variables, for the tests of options. */
#ifndef CLOG_TESTS_CMD_READING_H
#define CLOG_TESTS_CMD_READING_H

#include "cmd/options.h"
#include "error/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* What was read last, and the error. */
extern struct options options;
extern struct clog_error err;

/* An array of words that ends with NULL; of an environment, names and values in turn. */
#define WORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Reads the command line of these words, under that environment: gives what options_read did. */
int read_words(const char *const words[], const char *const environment[]);
/* Fails the test unless that succeeds. */
void accept_words(const char *const words[], const char *const environment[]);
/* Fails the test unless that is refused with just this sentence. */
void refuse_words(const char *const words[], const char *const environment[], const char *sentence);
/* Fails the test unless these are the mounts, in this order. */
void assert_mounts(const char *const folders[]);

#endif
