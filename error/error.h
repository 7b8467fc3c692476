/* error: how clog says what went wrong.
 *
 * Every room returns 0 or a negative errno. What touches files or configuration also takes a `struct clog_error *err`
 * (NULL allowed), so that the code and the sentence leave the place of the failure together. Libraries never print;
 * cmd/ prints the sentence, once. */
#ifndef CLOG_ERROR_ERROR_H
#define CLOG_ERROR_ERROR_H

/* Bytes of the longest sentence, its NUL included; a longer one is cut. */
#define CLOG_ERROR_TEXT_SIZE 512

struct clog_error {
	int code; /* negative errno, 0 while nothing went wrong */
	char text[CLOG_ERROR_TEXT_SIZE];
};

/* Sets err (if not NULL) to code and the formatted sentence, and returns code, so that a failing function ends with
 * `return clog_error_set(err, -EINVAL, "%s: ...", path);`. */
int clog_error_set(struct clog_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
