/* Whom a stream trusts: the other side is somebody whose certificate no clog would load. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/folder.h"
#include "tests/tls/certificates.h"
#include "tests/tls/pair.h"
#include "tls/private.h"

static char folder[FOLDER_PATH_SIZE];
static struct tls_context *member;

static int begin(void **state)
{
	folder_enter(folder);
	certificates_authority("ca", "prod");
	certificates_authority("other", "prod");
	certificates_issue("ca", TLS_MEMBER, "n1", "n1");
	member = certificates_load("n1");
	return 0;
}

static int end(void **state)
{
	tls_context_unref(member);
	folder_leave(folder);
	return 0;
}

/* The member on a side, and one whom it must refuse with the sentence, on the other; who is told so by an alert. */
static void expect_refused(struct tls_context *odd, enum tls_side side, int code, const char *sentence)
{
	struct pair pair;
	pair_begin(&pair, side == TLS_CONNECT ? member : odd, side == TLS_CONNECT ? odd : member);
	pair_run(&pair, SIZE_MAX);
	const struct end *own = &pair.ends[side], *other = &pair.ends[!side];
	if (own->rc != code || strstr(own->err.text, sentence) == NULL)
		fail_msg("side %d: %d: %s", (int)side, own->rc, own->err.text);
	assert_false(tls_stream_ready(own->stream));
	assert_int_equal(other->rc, -EPROTO);
	if (strstr(other->err.text, "TLS, from the other side: ") == NULL)
		fail_msg("no alert: %s", other->err.text);
	pair_end(&pair);
}

static void certificates_that_are_not_right_are_refused_on_both_sides(void **state)
{
#define BOTH "serverAuth,clientAuth"
	static const struct {
		struct odd odd;
		const char *sentence;
	} cases[] = {
		{{.uris = {"clog://prod/member/n2"}, .purposes = BOTH, .authority = "other"}, "is not trusted: "},
		{{.uris = {"clog://prod/member/n2"}, .from_s = -7200, .to_s = -3600, .authority = "ca"}, "has expired"},
		{{.uris = {"clog://prod/member/n2"}, .from_s = 3600, .to_s = 7200, .authority = "ca"}, "not yet valid"},
		{{.purposes = BOTH, .authority = "ca"}, "does not say who it is"},
		{{.uris = {"https://n2"}, .purposes = BOTH, .authority = "ca"}, "does not say who it is"},
		{{.uris = {"clog://prod/member/n2", "clog://prod/member/n3"}, .authority = "ca"}, "or more than one"},
		{{.uris = {"clog://prod/member/n2"}, .purposes = "emailProtection", .authority = "ca"}, "purpose"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		certificates_odd(&cases[i].odd, "odd");
		struct tls_context *odd = certificates_unchecked("odd", TLS1_3_VERSION, false);
		expect_refused(odd, TLS_ACCEPT, -EACCES, cases[i].sentence);
		expect_refused(odd, TLS_CONNECT, -EACCES, cases[i].sentence);
		tls_context_unref(odd);
	}
}

/* Each side, or an alert to it, finds that they have none in common. */
static void expect_none_in_common(struct tls_context *connecting, struct tls_context *accepting)
{
	struct pair pair;
	pair_begin(&pair, connecting, accepting);
	pair_run(&pair, SIZE_MAX);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pair.ends[i].rc, -EPROTO);
		assert_string_equal(pair.ends[i].err.text, "it does not speak TLS 1.3");
		assert_false(tls_stream_ready(pair.ends[i].stream));
	}
	pair_end(&pair);
}

static void an_older_tls_is_refused_on_both_sides(void **state)
{
	certificates_odd(&(struct odd){.uris = {"clog://prod/member/n2"}, .authority = "ca"}, "odd");
	struct tls_context *odd = certificates_unchecked("odd", TLS1_2_VERSION, false);
	expect_none_in_common(odd, member);
	expect_none_in_common(member, odd);
	tls_context_unref(odd);
}

static void who_connects_without_a_certificate_is_refused(void **state)
{
	struct tls_context *odd = certificates_unchecked("n1", TLS1_3_VERSION, true);
	expect_refused(odd, TLS_ACCEPT, -EACCES, "it has no certificate");
	tls_context_unref(odd);
}

static void who_connects_is_ready_before_it_is_judged(void **state)
{
	struct pair pair;
	const void *data;
	certificates_odd(&(struct odd){.uris = {"clog://prod/member/n2"}, .authority = "other"}, "odd");
	struct tls_context *odd = certificates_unchecked("odd", TLS1_3_VERSION, false);
	pair_begin(&pair, odd, member);
	struct tls_stream *connecting = pair.ends[TLS_CONNECT].stream, *accepting = pair.ends[TLS_ACCEPT].stream;
	size_t size = tls_stream_pending(connecting, &data);
	assert_int_equal(tls_stream_receive(accepting, data, size, NULL), 0);
	tls_stream_sent(connecting, size);
	size = tls_stream_pending(accepting, &data);
	assert_int_equal(tls_stream_receive(connecting, data, size, NULL), 0);
	tls_stream_sent(accepting, size);
	assert_true(tls_stream_ready(connecting));
	assert_int_equal(tls_stream_write(connecting, "to nobody", 9, NULL), 0);
	pair_run(&pair, SIZE_MAX);
	assert_int_equal(pair.ends[TLS_ACCEPT].rc, -EACCES);
	assert_int_equal(pair.ends[TLS_ACCEPT].read_size, 0);
	assert_int_equal(pair.ends[TLS_CONNECT].rc, -EPROTO);
	pair_end(&pair);
	tls_context_unref(odd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_that_are_not_right_are_refused_on_both_sides),
		cmocka_unit_test(an_older_tls_is_refused_on_both_sides),
		cmocka_unit_test(who_connects_without_a_certificate_is_refused),
		cmocka_unit_test(who_connects_is_ready_before_it_is_judged),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
