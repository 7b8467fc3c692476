#include "cmd/memory.h"

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#define LOOK_MS 5000u
#define SPARE_SIZE ((size_t)4 << 20) /* bytes that may be kept for what comes */

/* Bytes of memory of the process's own that nothing is in, as far as the C library knows. */
static size_t spare(void)
{
	size_t resident, shared;
	FILE *file = fopen("/proc/self/statm", "re");
	if (file == NULL)
		return 0;
	const int count = fscanf(file, "%*u %zu %zu", &resident, &shared);
	fclose(file);
	if (count != 2 || shared > resident)
		return 0;
	const struct mallinfo2 known = mallinfo2();
	const size_t own = (resident - shared) * (size_t)sysconf(_SC_PAGESIZE), used = known.uordblks + known.hblkhd;
	return own > used ? own - used : 0;
}

static void look(uv_timer_t *timer)
{
	/* Bytes that could not be given back: they lie between others. */
	static size_t stuck;
	const size_t found = spare();
	stuck = found < stuck ? found : stuck;
	if (found - stuck <= SPARE_SIZE)
		return;
	malloc_trim(0);
	stuck = spare();
}

void memory_watch(uv_loop_t *loop, uv_timer_t *timer)
{
	uv_timer_init(loop, timer);
	uv_timer_start(timer, look, LOOK_MS, LOOK_MS);
	uv_unref((uv_handle_t *)timer);
}
