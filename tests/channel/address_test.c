/* Addresses as they are written. */
#include "channel/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "error/error.h"

#define LABEL_63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"
#define NAME_253 LABEL_63 "." LABEL_63 "." LABEL_63 ".a23456789-123456789-123456789-123456789-123456789-123456789-1"

static void assert_split(const char *address, const char *host, const char *port)
{
	char found_host[CHANNEL_HOST_SIZE], found_port[CHANNEL_PORT_SIZE];
	struct clog_error err = {0};
	int rc = channel_split(address, found_host, found_port, &err);
	assert_string_equal(err.text, "");
	assert_int_equal(rc, 0);
	assert_string_equal(found_host, host);
	assert_string_equal(found_port, port);
}

static void assert_refused(const char *address, const char *fault)
{
	char host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE], sentence[CLOG_ERROR_TEXT_SIZE];
	struct clog_error err = {0};
	assert_int_equal(channel_split(address, host, port, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	snprintf(sentence, sizeof sentence, "%s: %s", address, fault);
	assert_string_equal(err.text, sentence);
	assert_int_equal(channel_split(address, host, port, NULL), -EINVAL);
}

static void names_and_addresses_are_split_from_their_ports(void **state)
{
	assert_split("n1:7400", "n1", "7400");
	assert_split("n1.example.com:1", "n1.example.com", "1");
	assert_split("n1.example.com.:65535", "n1.example.com.", "65535");
	assert_split("_clog._tcp.example.com:0", "_clog._tcp.example.com", "0");
	assert_split("1:2", "1", "2");
	assert_split("1.2.3.4:00080", "1.2.3.4", "00080");
	assert_split("[::1]:7400", "::1", "7400");
	assert_split("[2001:db8::1.2.3.4]:7400", "2001:db8::1.2.3.4", "7400");
	assert_split("[fe80::1%eth0.7]:7400", "fe80::1%eth0.7", "7400");
	assert_split(NAME_253 ":7400", NAME_253, "7400");
	assert_split(NAME_253 ".:7400", NAME_253 ".", "7400");
}

static void a_port_is_a_number_up_to_65535(void **state)
{
	assert_refused("", "it has no port");
	assert_refused("n1", "it has no port");
	assert_refused("n1:", "it has no port");
	assert_refused("[::1]", "it has no port");
	assert_refused("[::1]:", "it has no port");
	assert_refused("n1:http", "the port is not a number");
	assert_refused("n1:-1", "the port is not a number");
	assert_refused("n1:+1", "the port is not a number");
	assert_refused("n1: 1", "the port is not a number");
	assert_refused("n1:1 ", "the port is not a number");
	assert_refused("[::1]:7400:", "the port is not a number");
	assert_refused("n1:65536", "the port is above 65535");
	assert_refused("n1:000001", "the port is above 65535");
	assert_refused("n1:18446744073709551617", "the port is above 65535");
}

static void ipv6_stands_in_brackets_and_nothing_else_does(void **state)
{
	assert_refused("::1:7400", "it has more than one ':' (an IPv6 address stands in brackets: [::1]:7400)");
	assert_refused("dns:n1:7400", "it has more than one ':' (an IPv6 address stands in brackets: [::1]:7400)");
	assert_refused("[::1:7400", "the bracket is not closed");
	assert_refused("[::1]7400", "after the bracket stands ':' and the port");
	assert_refused("[n1]:7400", "in brackets stands an IPv6 address");
	assert_refused("[1.2.3.4]:7400", "in brackets stands an IPv6 address");
	assert_refused("[::1::]:7400", "in brackets stands an IPv6 address");
	assert_refused("[[::1]]:7400", "after the bracket stands ':' and the port");
	assert_refused("[::1%]:7400", "after '%' stands the name of an interface");
	assert_refused("[::1%a b]:7400", "after '%' stands the name of an interface");
}

static void a_host_is_a_name_or_an_address(void **state)
{
	assert_refused(":7400", "it has no host");
	assert_refused("[]:7400", "it has no host");
	assert_refused(".:7400", "the name has an empty label");
	assert_refused(".n1:7400", "the name has an empty label");
	assert_refused("n1..example:7400", "the name has an empty label");
	assert_refused("n1..:7400", "the name has an empty label");
	assert_refused("n 1:7400", "a name has letters, digits, '-', '_' and '.' only");
	assert_refused("n\xc3\xb6:7400", "a name has letters, digits, '-', '_' and '.' only");
	assert_refused("tcp//n1:7400", "a name has letters, digits, '-', '_' and '.' only");
	assert_refused("n1\n:7400", "a name has letters, digits, '-', '_' and '.' only");
	assert_refused("1.2.3:7400", "this is no IPv4 address");
	assert_refused("1.2.3.256:7400", "this is no IPv4 address");
	assert_refused("1.2.3.4.:7400", "this is no IPv4 address");
	assert_refused(LABEL_63 "x:7400", "the name has a label longer than 63 bytes");
	assert_refused(NAME_253 "x:7400", "the name is longer than 253 bytes");
	assert_refused(NAME_253 "x.:7400", "the name is longer than 253 bytes");
}

static void a_long_address_is_cut_in_the_sentence(void **state)
{
	char address[5000], host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
	struct clog_error err = {0};
	memset(address, 'a', sizeof address);
	memcpy(address + sizeof address - 3, ":1", 3);
	assert_int_equal(channel_split(address, host, port, &err), -EINVAL);
	assert_string_equal(strchr(err.text, '.'), "...: the name is longer than 253 bytes");
	memset(address, '1', sizeof address - 1);
	address[1] = ':';
	assert_int_equal(channel_split(address, host, port, &err), -EINVAL);
	assert_string_equal(strchr(err.text, '.'), "...: the port is above 65535");
}

/* Every string of up to five bytes of those that mean something. */
static void whatever_is_written_is_taken_or_refused_with_a_sentence(void **state)
{
	const char bytes[] = "[]:%.1a";
	for (unsigned number = 0; number < 8 * 8 * 8 * 8 * 8; number++) {
		char address[6] = "", host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
		struct clog_error err = {0};
		for (unsigned i = 0, rest = number; i < 5; i++, rest /= 8)
			address[i] = bytes[rest % 8];
		int rc = channel_split(address, host, port, &err);
		assert_true(rc == -EINVAL ? err.text[0] != '\0' : rc == 0 && host[0] != '\0' && port[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses_are_split_from_their_ports),
		cmocka_unit_test(a_port_is_a_number_up_to_65535),
		cmocka_unit_test(ipv6_stands_in_brackets_and_nothing_else_does),
		cmocka_unit_test(a_host_is_a_name_or_an_address),
		cmocka_unit_test(a_long_address_is_cut_in_the_sentence),
		cmocka_unit_test(whatever_is_written_is_taken_or_refused_with_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
