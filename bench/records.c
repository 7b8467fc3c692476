/* Opens, reads and closes records one after the other, each once: what the kernel does not know yet it asks for.
 *
 *   bench_records FOLDER FIRST RANGE STEP COUNT     FOLDER is log/records
 *
 * COUNT of the RANGE of records from FIRST on, every STEPth, around and around: with 1 in their order, with a number that
 * has no factor of RANGE all over the place. Prints records a second. */
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
	if (argc != 6) {
		fprintf(stderr, "usage: bench_records FOLDER FIRST RANGE STEP COUNT\n");
		return 2;
	}
	uint64_t first = strtoull(argv[2], NULL, 10), range = strtoull(argv[3], NULL, 10);
	uint64_t step = strtoull(argv[4], NULL, 10), count = strtoull(argv[5], NULL, 10);
	if (range == 0)
		return 2;
	double begin = now();
	for (uint64_t i = 0; i < count; i++)
		read_record(argv[1], first + i * step % range);
	printf("%.0f\n", (double)count / (now() - begin));
	return 0;
}
