#include "fs/private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_was_never_proposed_is_seen_as_host_unreachable(void **state)
{
	(void)state;
	assert_int_equal(reply_errno(-ESHUTDOWN), EHOSTUNREACH);
}

static void a_wrong_checksum_is_seen_as_an_io_error(void **state)
{
	(void)state;
	assert_int_equal(reply_errno(-EBADMSG), EIO);
	assert_int_equal(reply_errno(-EIO), EIO);
}

static void other_errors_are_seen_as_what_they_are(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL, EACCES,    EPERM,  EEXIST, ENXIO,  ENOSPC,
	                             EAGAIN,   EINTR,  ETIMEDOUT, ENOENT, ESTALE, ENOMEM, EHOSTUNREACH};
	(void)state;
	assert_int_equal(reply_errno(0), 0);
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		assert_int_equal(reply_errno(-errors[i]), errors[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_never_proposed_is_seen_as_host_unreachable),
		cmocka_unit_test(a_wrong_checksum_is_seen_as_an_io_error),
		cmocka_unit_test(other_errors_are_seen_as_what_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
