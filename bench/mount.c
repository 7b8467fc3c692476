/* What writers get through a mount: threads that append records of 100 bytes, each waiting for its own, beside one plain
 * writer that writes and syncs the same bytes on the same disk, in turns.
 *
 *   bench_mount MOUNT FOLDER     a mounted log, and a folder on the disk of its data */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECORD_SIZE 100
#define WRITERS_MAX 256
#define STACK_SIZE (256u << 10)
#define TURN_S 2.0
#define TURNS 3

static char path[4096];
static atomic_bool stop;
static atomic_ulong appended;

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "bench_mount: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *writer(void *arg)
{
	char record[RECORD_SIZE];
	int file = open(path, O_WRONLY | O_APPEND);
	if (file < 0)
		fail(path);
	memset(record, 'x', sizeof record);
	while (!atomic_load(&stop)) {
		if (write(file, record, sizeof record) != sizeof record)
			fail(path);
		atomic_fetch_add(&appended, 1);
	}
	close(file);
	return arg;
}

/* Records a second of so many writers. */
static double append(unsigned writers)
{
	pthread_t threads[WRITERS_MAX];
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	atomic_store(&stop, false);
	atomic_store(&appended, 0);
	double begin = now();
	for (unsigned i = 0; i < writers; i++)
		if (pthread_create(&threads[i], &attributes, writer, NULL) != 0)
			fail("thread");
	while (now() - begin < TURN_S)
		usleep(1000);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < writers; i++)
		pthread_join(threads[i], NULL);
	return (double)atomic_load(&appended) / (now() - begin);
}

/* Records a second of a program that writes each into a file of zeros and syncs it. */
static double plain(const char *folder)
{
	static char zeros[1 << 20];
	char name[4096];
	snprintf(name, sizeof name, "%s/plain", folder);
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0)
		fail(name);
	for (int i = 0; i < 16; i++)
		if (pwrite(file, zeros, sizeof zeros, (off_t)i << 20) != sizeof zeros)
			fail(name);
	if (fsync(file) != 0)
		fail(name);
	unsigned long count = 0;
	double begin = now();
	for (; now() - begin < TURN_S / 2; count++)
		if (pwrite(file, zeros, RECORD_SIZE, (off_t)(count % 100000) * RECORD_SIZE) != RECORD_SIZE ||
		    fdatasync(file) != 0)
			fail(name);
	double rate = (double)count / (now() - begin);
	close(file);
	unlink(name);
	return rate;
}

int main(int argc, char **argv)
{
	static const unsigned writers[] = {1, 16, 64, 256};
	if (argc != 3 || snprintf(path, sizeof path, "%s/log/append", argv[1]) >= (int)sizeof path) {
		fprintf(stderr, "usage: bench_mount MOUNT FOLDER\n");
		return 2;
	}
	for (unsigned i = 0; i < sizeof writers / sizeof writers[0]; i++) {
		double log_rate = 0, plain_rate = 0;
		for (int turn = 0; turn < TURNS; turn++) {
			log_rate += append(writers[i]) / TURNS;
			plain_rate += plain(argv[2]) / TURNS;
		}
		printf("%3u writers: %7.0f records/s; one plain write and fdatasync after the other: %6.0f/s: ratio "
		       "%.1f\n",
		       writers[i], log_rate, plain_rate, log_rate / plain_rate);
	}
	return 0;
}
