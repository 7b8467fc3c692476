#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/log/folder.h"

void folder_enter(char path[static FOLDER_PATH_SIZE])
{
	const char *base = getenv("TMPDIR");
	snprintf(path, FOLDER_PATH_SIZE, "%s/clog-log-XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(path) == NULL || chdir(path) != 0) {
		perror(path);
		abort();
	}
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	return remove(path);
}

void folder_leave(const char *path)
{
	if (chdir("/") != 0 || nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		perror(path);
}
