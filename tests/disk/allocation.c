#include "tests/disk/allocation.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static unsigned countdown; /* allocations until the one that fails, itself counted; 0: none fails */
static bool fired;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void allocation_fail(unsigned nth)
{
	countdown = nth;
	fired = false;
}

bool allocation_fired(void)
{
	return fired;
}

static bool fails(void)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	fired = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = fails() ? NULL : __real_malloc(size);

	return copy == NULL ? NULL : memcpy(copy, text, size);
}
