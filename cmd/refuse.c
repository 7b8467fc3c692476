#include "cmd/clog.h"

#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

int clog_refuse(struct clog_error *err, const char *format, ...)
{
	char sentence[CLOG_ERROR_TEXT_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	clog_error_set(err, -EINVAL, "%s; clog --help lists all", sentence);
	return CLOG_USAGE;
}

int clog_refuse_option(int found, char *const argv[], struct clog_error *err)
{
	const char *const word = argv[optind - 1];
	if (found == ':')
		clog_error_set(err, -EINVAL, "%s needs a value", word);
	else
		clog_error_set(err, -EINVAL, "'%s' is not an option here; clog --help lists all", word);
	return CLOG_USAGE;
}
