/* Opens, reads and closes records one after the other, each once: what the kernel does not know yet it asks for.
 *
 *   bench_records FOLDER FIRST COUNT [STEP]     FOLDER is log/records; every STEPth of COUNT records, around and around
 *
 * STEP 1, the default, is in their order; one without a factor of COUNT is all over the place. Prints records a second. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_record(const char *folder, uint64_t offset)
{
	static char bytes[4096];
	char path[4096];
	snprintf(path, sizeof path, "%s/%lu", folder, offset);
	int file = open(path, O_RDONLY);
	if (file < 0 || read(file, bytes, sizeof bytes) <= 0) {
		fprintf(stderr, "bench_records: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(file);
}

int main(int argc, char **argv)
{
	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: bench_records FOLDER FIRST COUNT [STEP]\n");
		return 2;
	}
	uint64_t first = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
	uint64_t step = argc == 5 ? strtoull(argv[4], NULL, 10) : 1;
	double begin = now();
	for (uint64_t i = 0; i < count; i++)
		read_record(argv[1], first + i * step % count);
	printf("%.0f\n", (double)count / (now() - begin));
	return 0;
}
