/* Whose process is at the other end. */
#include "rpc/peer_uid.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHER_UID 4711

static struct sockaddr_in place;

static int listen_here(void)
{
	socklen_t size = sizeof place;
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	place = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(listener, (struct sockaddr *)&place, sizeof place), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&place, &size), 0);
	return listener;
}

static int connect_there(void)
{
	const int made = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(made, (struct sockaddr *)&place, sizeof place), 0);
	return made;
}

static void the_kernel_tells_the_user_of_the_other_end(void **state)
{
	(void)state;
	uid_t uid = 1;
	const int listener = listen_here(), there = connect_there(), here = accept(listener, NULL, NULL);
	assert_int_equal(peer_uid(here, &uid), 0);
	assert_int_equal(uid, geteuid());
	close(there);
	close(here);
	close(listener);
}

static void it_tells_of_other_users_too(void **state)
{
	(void)state;
	char byte;
	uid_t uid = 0;
	int gate[2];
	if (geteuid() != 0)
		skip();
	const int listener = listen_here();
	assert_int_equal(pipe(gate), 0);
	const pid_t child = fork();
	if (child == 0) {
		if (setuid(OTHER_UID) != 0)
			_exit(1);
		(void)connect_there();
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
	}
	const int here = accept(listener, NULL, NULL);
	assert_int_equal(peer_uid(here, &uid), 0);
	assert_int_equal(uid, OTHER_UID);
	close(gate[0]);
	close(gate[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(here);
	close(listener);
}

/* The kernel shows what is left of a closed socket as root's. */
static void who_has_gone_is_nobody(void **state)
{
	(void)state;
	uid_t uid = 1;
	const int listener = listen_here(), there = connect_there(), here = accept(listener, NULL, NULL);
	close(there);
	assert_int_equal(peer_uid(here, &uid), -ENOENT);
	close(here);
	assert_int_equal(peer_uid(here, &uid), -ENOENT);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_tells_the_user_of_the_other_end),
		cmocka_unit_test(it_tells_of_other_users_too),
		cmocka_unit_test(who_has_gone_is_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
