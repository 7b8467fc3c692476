/* Memory runs out at any moment of loading certificates and of a handshake, this room's own or OpenSSL's: each is an error
 * with a sentence, nobody is taken for another, and nothing stays behind. */
#include "error/error.h"
#include "tests/disk/allocation.h"
#include "tests/log/folder.h"
#include "tests/tls/certificates.h"
#include "tls/tls.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#define WIRE_SIZE (128u << 10)
#define STRIDE 31u /* primes: each run finds others */
#define SOAK_STRIDE 5u
#define KEPT_MAX 100 /* blocks that OpenSSL makes once and keeps, whenever it first has the memory for them */
#define TEXT "what is said once both are ready"

/* ---- OpenSSL's memory, which comes by the same calls as the room's own, and is counted ---- */

static long blocks; /* that OpenSSL holds */

static void *take(size_t size, const char *file, int line)
{
	void *block = size > 0 ? malloc(size) : NULL;
	blocks += block != NULL;
	return block;
}

static void give_back(void *block, const char *file, int line)
{
	blocks -= block != NULL;
	free(block);
}

static void *retake(void *old, size_t size, const char *file, int line)
{
	if (size == 0) {
		give_back(old, file, line);
		return NULL;
	}
	void *block = realloc(old, size);
	blocks += old == NULL && block != NULL;
	return block;
}

/* ---- Two sides ---- */

struct side {
	struct tls_stream *stream;
	int rc;
	struct clog_error err;
	size_t heard;
};

static void hear(struct side *side, const void *data, size_t size)
{
	char text[256];
	side->rc = tls_stream_receive(side->stream, data, size, &side->err);
	while (side->rc == 0) {
		ssize_t count = tls_stream_read(side->stream, text, sizeof text, &side->err);
		if (count < 0)
			side->rc = (int)count;
		if (count <= 0)
			return;
		assert_memory_equal(text, &TEXT[side->heard], (size_t)count);
		side->heard += (size_t)count;
	}
}

/* Moves all that is pending, until there is nothing more. */
static void run(struct side sides[2])
{
	static unsigned char wire[WIRE_SIZE];
	for (int i = 0, still = 0; still < 2; i = 1 - i) {
		const void *data;
		size_t size = tls_stream_pending(sides[i].stream, &data);
		still = size > 0 ? 0 : still + 1;
		if (size == 0)
			continue;
		assert_true(size <= sizeof wire);
		memcpy(wire, data, size);
		tls_stream_sent(sides[i].stream, size);
		if (sides[1 - i].rc == 0)
			hear(&sides[1 - i], wire, size);
	}
}

static enum tls_side accepting_side = TLS_ACCEPT;

/* Both are ready and have spoken: 0. Else the error of one, which has a sentence; that there be none, and they wait for each
 * other, must not be. */
static int meet(struct tls_context *connecting, struct tls_context *accepting, struct clog_error *err)
{
	struct side sides[2] = {0};
	int rc = tls_stream_create(&sides[TLS_CONNECT].stream, connecting, TLS_CONNECT);
	if (rc == 0)
		rc = tls_stream_create(&sides[TLS_ACCEPT].stream, accepting, accepting_side);
	if (rc != 0) {
		clog_error_set(err, rc, "created");
		tls_stream_destroy(sides[TLS_CONNECT].stream);
		return rc;
	}
	run(sides);
	for (int i = 0; i < 2 && rc == 0; i++) {
		struct side *side = &sides[i];
		if (side->rc == 0 && tls_stream_ready(side->stream) && i == TLS_CONNECT)
			side->rc = tls_stream_write(side->stream, TEXT, strlen(TEXT), &side->err);
	}
	run(sides);
	for (int i = 0; i < 2 && rc == 0; i++) {
		rc = sides[i].rc;
		*err = sides[i].err;
	}
	assert_true(rc != 0 || (tls_stream_ready(sides[0].stream) && tls_stream_ready(sides[1].stream)));
	assert_true(rc != 0 || sides[TLS_ACCEPT].heard == strlen(TEXT));
	for (int i = 0; i < 2; i++)
		tls_stream_destroy(sides[i].stream);
	return rc;
}

/* ---- The tests ---- */

static char folder[FOLDER_PATH_SIZE];
static struct tls_context *a, *b, *stranger;
static bool soak;
static unsigned seed;

static int load_and_meet(struct clog_error *err)
{
	struct tls_context *fresh = NULL;
	int rc = tls_context_load(&fresh, "a", err);
	if (rc != 0)
		return rc;
	rc = meet(fresh, b, err);
	tls_context_unref(fresh);
	return rc;
}

static int meet_right(struct clog_error *err)
{
	return meet(a, b, err);
}

/* Who has an authority alone, and shows nothing, meets one who lets in anybody. */
static int load_and_meet_anybody(struct clog_error *err)
{
	struct tls_context *fresh = NULL;
	int rc = tls_context_load_authority(&fresh, "a", err);
	if (rc != 0)
		return rc;
	accepting_side = TLS_ACCEPT_ANYBODY;
	rc = meet(fresh, b, err);
	accepting_side = TLS_ACCEPT;
	tls_context_unref(fresh);
	return rc;
}

static int meet_stranger(struct clog_error *err)
{
	int rc = meet(stranger, b, err);
	assert_int_not_equal(rc, 0);
	return rc;
}

/* The same with an allocation that fails: every STRIDE-th in its turn, from a random one on, since there are thousands.
 * expected is what comes of it where none does. */
static void run_out(int (*act)(struct clog_error *err), int expected)
{
	struct clog_error err = {0};
	/* What is made once, and kept. */
	assert_int_equal(act(&err), expected);
	assert_int_equal(act(&err), expected);
	unsigned stride = soak ? SOAK_STRIDE : STRIDE, errors = 0, nth = 1 + seed % stride;
	long most = blocks + KEPT_MAX;
	for (bool fired = true; fired; nth += stride) {
		err = (struct clog_error){0};
		allocation_fail(nth);
		int rc = act(&err);
		fired = allocation_fired();
		allocation_fail(0);
		assert_true(rc <= 0 && (rc == 0) == (err.text[0] == '\0'));
		errors += rc != 0 && fired;
		if (blocks > most)
			fail_msg("allocation %u of %u: %ld blocks of OpenSSL's are kept", nth, seed, blocks - most);
		if (!fired)
			assert_int_equal(rc, expected);
	}
	printf("memory: %u allocations, %u errors\n", nth, errors);
	assert_true(nth > 1000 && errors > nth / stride / 10);
	assert_int_equal(act(&err), expected);
}

static void a_handshake_without_memory_is_an_error(void **state)
{
	run_out(meet_right, 0);
}

static void certificates_without_memory_are_not_loaded(void **state)
{
	run_out(load_and_meet, 0);
}

static void an_authority_without_memory_is_not_loaded(void **state)
{
	run_out(load_and_meet_anybody, 0);
}

static void a_stranger_is_not_let_in_for_want_of_memory(void **state)
{
	run_out(meet_stranger, -EACCES);
}

static int set_up(void **state)
{
	const char *given = getenv("CLOG_SEED"), *longer = getenv("CLOG_SOAK");
	seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	soak = longer != NULL && strcmp(longer, "1") == 0;
	printf("CLOG_SEED=%u\n", seed);
	folder_enter(folder);
	certificates_authority("ca", "c");
	certificates_authority("other", "c");
	certificates_issue("ca", TLS_MEMBER, "a", "a");
	certificates_issue("ca", TLS_MEMBER, "b", "b");
	certificates_issue("other", TLS_MEMBER, "a", "stranger");
	a = certificates_load("a");
	b = certificates_load("b");
	stranger = certificates_load("stranger");
	return 0;
}

static int tear_down(void **state)
{
	allocation_fail(0);
	tls_context_unref(a);
	tls_context_unref(b);
	tls_context_unref(stranger);
	folder_leave(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_without_memory_is_an_error),
		cmocka_unit_test(certificates_without_memory_are_not_loaded),
		cmocka_unit_test(an_authority_without_memory_is_not_loaded),
		cmocka_unit_test(a_stranger_is_not_let_in_for_want_of_memory),
	};
	/* Before OpenSSL has any. */
	if (CRYPTO_set_mem_functions(take, retake, give_back) != 1)
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
