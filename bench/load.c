#include "bench/load.h"

#include "bench/times.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SIZE (128u << 10)

struct writer {
	pthread_t thread;
	const struct load_ops *ops;
	double seconds;
	double rate; /* records a second */
	struct times times;
};

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void *run(void *arg)
{
	struct writer *writer = arg;
	const struct load_ops *ops = writer->ops;
	void *target = ops->open();
	if (target == NULL)
		fail(ops->name);
	uint64_t start = times_now_ns(), begin = start, done;
	for (; (double)(begin - start) < writer->seconds * 1e9; begin = done) {
		if (!ops->write(target, writer->times.count))
			fail(ops->name);
		done = times_now_ns();
		times_add(&writer->times, (done - begin) / 1000);
	}
	writer->rate = (double)writer->times.count * 1e9 / (double)(begin - start);
	ops->close(target);
	return NULL;
}

void load_run(const struct load_ops *ops, unsigned count, double seconds)
{
	struct writer *writers = calloc(count, sizeof *writers);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	struct times all = {0};
	double rate = 0;
	for (unsigned i = 0; i < count; i++) {
		if (writers == NULL)
			fail("memory");
		writers[i].ops = ops;
		writers[i].seconds = seconds;
		errno = pthread_create(&writers[i].thread, &attributes, run, &writers[i]);
		if (errno != 0)
			fail("a thread");
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(writers[i].thread, NULL);
		times_join(&all, &writers[i].times);
		rate += writers[i].rate;
	}
	times_print(&all, rate);
	free(writers);
}
