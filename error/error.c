#include "error/error.h"

#include <stdarg.h>
#include <stdio.h>

int clog_error_set(struct clog_error *err, int code, const char *format, ...)
{
	if (err == NULL)
		return code;
	err->code = code;
	va_list args;
	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return code;
}
