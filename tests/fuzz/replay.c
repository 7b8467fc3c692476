/* Gives a fuzz target every file of a folder, without a fuzzer: replay FOLDER. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_SIZE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_SIZE_MAX);
	if (file == NULL || data == NULL) {
		perror(path);
		return 1;
	}
	size_t size = fread(data, 1, INPUT_SIZE_MAX, file);
	fclose(file);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout);
	int rc = LLVMFuzzerTestOneInput(data, size);
	free(data);
	return rc;
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	unsigned count = 0;
	int rc = 0;
	if (folder == NULL) {
		fprintf(stderr, "usage: replay FOLDER\n");
		return 2;
	}
	for (struct dirent *entry = readdir(folder); rc == 0 && entry != NULL; entry = readdir(folder)) {
		char path[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
		rc = replay(path);
		count++;
	}
	closedir(folder);
	return rc != 0 || count == 0;
}
