#include "tests/cmd/reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void data_alone_is_enough(void **state)
{
	(void)state;
	accept_words(WORDS("--data", "/x"), WORDS());
	assert_int_equal(options.action, OPTIONS_RUN);
	assert_string_equal(options.data, "/x");
	assert_int_equal(options.mount_count, 0);
	assert_null(options.owner);
	assert_int_equal(options.uid, geteuid());
	assert_int_equal(options.gid, getegid());
	assert_int_equal(options.mode, 0644);
	assert_null(options.name);
	assert_null(options.config);
	assert_true(options.guard);
	assert_false(options.allow_other);
}

static void all_options_are_taken(void **state)
{
	(void)state;
	accept_words(WORDS("--data=/x", "--mount", "/y", "--name", "a-1_b.C", "--guard", "no", "--allow-other"),
	             WORDS());
	assert_string_equal(options.data, "/x");
	assert_mounts(WORDS("/y"));
	assert_string_equal(options.name, "a-1_b.C");
	assert_false(options.guard);
	assert_true(options.allow_other);
	accept_words(WORDS("--allow-other=no", "--guard=true", "--data", "/x", "--"), WORDS());
	assert_true(options.guard);
	assert_false(options.allow_other);
	accept_words(WORDS("--allow-other=true", "--guard=false", "--data", "/x", "--"), WORDS());
	assert_false(options.guard);
	assert_true(options.allow_other);
}

static void the_last_of_repeated_options_counts(void **state)
{
	(void)state;
	accept_words(WORDS("--data", "/x", "--data", "/y"), WORDS());
	assert_string_equal(options.data, "/y");
}

static void help_and_version_need_nothing_else(void **state)
{
	(void)state;
	accept_words(WORDS("--help"), WORDS());
	assert_int_equal(options.action, OPTIONS_HELP);
	accept_words(WORDS("--version"), WORDS("CLOG_GUARD", "maybe"));
	assert_int_equal(options.action, OPTIONS_VERSION);
	accept_words(WORDS("--data", "/x", "--help", "--no-such"), WORDS());
	assert_int_equal(options.action, OPTIONS_HELP);
}

static void help_names_every_option_and_variable(void **state)
{
	(void)state;
	static const char *const words[] = {"--data",           "--mount",        "--name",
	                                    "--guard",          "--allow-other",  "--config",
	                                    "--help",           "--version",      "CLOG_DATA",
	                                    "CLOG_MOUNT",       "CLOG_NAME",      "CLOG_GUARD",
	                                    "CLOG_ALLOW_OTHER", "CLOG_CONFIG",    "--peer",
	                                    "--advertise",      "--join",         "--tls",
	                                    "CLOG_PEER",        "CLOG_ADVERTISE", "CLOG_JOIN",
	                                    "CLOG_TLS",         "--grpc",         "CLOG_GRPC",
	                                    "--owner",          "--mode",         "CLOG_OWNER",
	                                    "CLOG_MODE",        "--tls-min",      "CLOG_TLS_MIN",
	                                    "--jwt-keys",       "--jwt-audience", "CLOG_JWT_KEYS",
	                                    "CLOG_JWT_AUDIENCE"};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		assert_non_null(strstr(options_help, words[i]));
}

static void data_is_demanded(void **state)
{
	(void)state;
	const char *const sentence = "where the data shall be is not said: --data DIR is needed";
	refuse_words(WORDS(), WORDS(), sentence);
	refuse_words(WORDS("--mount", "/y"), WORDS("CLOG_DATA", ""), sentence);
}

static void an_unknown_option_is_named(void **state)
{
	(void)state;
	refuse_words(WORDS("--data", "/x", "--port", "80"), WORDS(), "unknown option '--port'; clogd --help lists all");
	refuse_words(WORDS("--port=80"), WORDS(), "unknown option '--port=80'; clogd --help lists all");
	refuse_words(WORDS("-x"), WORDS(), "unknown option '-x'; clogd --help lists all");
	refuse_words(WORDS("--data", "/x", "-vd"), WORDS(), "unknown option '-v'; clogd --help lists all");
}

static void a_stray_argument_is_named(void **state)
{
	(void)state;
	refuse_words(WORDS("--data", "/x", "/y"), WORDS(), "'/y' is not an option; clogd --help lists all");
	refuse_words(WORDS("/y", "--data", "/x"), WORDS(), "'/y' is not an option; clogd --help lists all");
	refuse_words(WORDS("--data", "/x", "--", "--mount"), WORDS(),
	             "'--mount' is not an option; clogd --help lists all");
	refuse_words(WORDS("--data", "/x", "-"), WORDS(), "'-' is not an option; clogd --help lists all");
	refuse_words(WORDS("--data", "/x", ""), WORDS(), "'' is not an option; clogd --help lists all");
	refuse_words(WORDS("--data", "/x", "--allow-other", "yes"), WORDS(),
	             "'yes' is not an option; clogd --help lists all");
}

static void a_missing_or_needless_value_is_named(void **state)
{
	(void)state;
	refuse_words(WORDS("--data"), WORDS(), "--data needs a value");
	refuse_words(WORDS("--data", "/x", "--config"), WORDS(), "--config needs a value");
	refuse_words(WORDS("--help=all"), WORDS(), "--help takes no value");
}

static void wrong_values_are_named_with_where_they_stand(void **state)
{
	(void)state;
	refuse_words(WORDS("--data", ""), WORDS(), "--data is empty");
	refuse_words(WORDS("--allow-other="), WORDS(), "--allow-other is empty");
	refuse_words(WORDS("--guard", "on"), WORDS(), "--guard is yes or no, not 'on'");
	refuse_words(WORDS("--allow-other=1"), WORDS(), "--allow-other is yes or no, not '1'");
	refuse_words(WORDS("--data", "/x"), WORDS("CLOG_GUARD", "1"), "CLOG_GUARD is yes or no, not '1'");
	/* Also where another source would have had its way. */
	refuse_words(WORDS("--data", "/x", "--guard", "no"), WORDS("CLOG_GUARD", "1"),
	             "CLOG_GUARD is yes or no, not '1'");
}

static void an_older_tls_is_for_who_asks_for_it(void **state)
{
	(void)state;
	accept_words(WORDS("--data=/x"), WORDS());
	assert_false(options.tls_1_2);
	accept_words(WORDS("--data=/x", "--tls-min", "1.2"), WORDS("CLOG_TLS_MIN", "1.3"));
	assert_true(options.tls_1_2);
	accept_words(WORDS("--data=/x"), WORDS("CLOG_TLS_MIN", "1.2"));
	assert_true(options.tls_1_2);
	accept_words(WORDS("--data=/x", "--tls-min=1.3"), WORDS("CLOG_TLS_MIN", "1.2"));
	assert_false(options.tls_1_2);
	refuse_words(WORDS("--data=/x", "--tls-min=1.1"), WORDS(), "--tls-min is 1.2 or 1.3, not '1.1'");
	refuse_words(WORDS("--data=/x"), WORDS("CLOG_TLS_MIN", "TLS1.2"), "CLOG_TLS_MIN is 1.2 or 1.3, not 'TLS1.2'");
}

static void keys_for_web_tokens_are_told_of(void **state)
{
	(void)state;
	char audience[CONFIG_AUDIENCE_SIZE + 1], sentence[128];
	accept_words(WORDS("--data=/x"), WORDS());
	assert_null(options.jwt_keys);
	assert_null(options.jwt_audience);
	accept_words(WORDS("--data=/x", "--jwt-keys", "/keys"), WORDS("CLOG_JWT_AUDIENCE", "shop"));
	assert_string_equal(options.jwt_keys, "/keys");
	assert_string_equal(options.jwt_audience, "shop");
	char *const text = options_render(&options);
	assert_non_null(strstr(text, "\njwt-keys: /keys\njwt-audience: \"shop\"\n"));
	free(text);
	refuse_words(WORDS("--data=/x", "--jwt-audience", "shop"), WORDS(), "--jwt-audience needs --jwt-keys DIR");
	memset(audience, 'a', sizeof audience - 1);
	audience[CONFIG_AUDIENCE_SIZE] = '\0';
	snprintf(sentence, sizeof sentence, "--jwt-audience is longer than %d bytes", CONFIG_AUDIENCE_SIZE - 1);
	refuse_words(WORDS("--data=/x", "--jwt-keys", "/k", "--jwt-audience", audience), WORDS(), sentence);
	accept_words(WORDS("--data=/x", "--jwt-keys", "/k", "--jwt-audience", audience + 1), WORDS());
}

static void names_that_no_member_has_are_refused(void **state)
{
	(void)state;
#define RULE " is no name for a member: at most 63 of A-Z, a-z, 0-9, '.', '_' and '-', not beginning with a dot"
	refuse_words(WORDS("--data", "/x", "--name", ".a"), WORDS(), "--name: '.a'" RULE);
	refuse_words(WORDS("--data", "/x", "--name", "a/b"), WORDS(), "--name: 'a/b'" RULE);
	refuse_words(WORDS("--data", "/x"), WORDS("CLOG_NAME", "a b"), "CLOG_NAME: 'a b'" RULE);
	refuse_words(WORDS("--data", "/x", "--name", "gr\u00fcn"), WORDS(), "--name: 'gr\u00fcn'" RULE);
#define TEN "abcdefghij"
	accept_words(WORDS("--data", "/x", "--name", TEN TEN TEN TEN TEN TEN "abc"), WORDS());
	refuse_words(WORDS("--data", "/x", "--name", TEN TEN TEN TEN TEN TEN "abcd"), WORDS(),
	             "--name: '" TEN TEN TEN TEN TEN TEN "abcd'" RULE);
}

static void a_member_among_others_is_told_of_them(void **state)
{
	(void)state;
	accept_words(WORDS("--data=/x", "--peer", "[::]:7400", "--advertise=n1:7400", "--tls=/t",
	                   "--join=n2:1,[::1]:65535,dns:clog.example:7400", "--grpc=[::1]:8400"),
	             WORDS());
	assert_string_equal(options.peer, "[::]:7400");
	assert_string_equal(options.advertise, "n1:7400");
	assert_string_equal(options.join, "n2:1,[::1]:65535,dns:clog.example:7400");
	assert_string_equal(options.tls, "/t");
	assert_string_equal(options.grpc, "[::1]:8400");
	accept_words(WORDS("--data=/x"), WORDS("CLOG_PEER", "n1:1", "CLOG_JOIN", "n2:2", "CLOG_TLS", "/t",
	                                       "CLOG_ADVERTISE", "a:3", "CLOG_GRPC", "n1:4"));
	assert_string_equal(options.grpc, "n1:4");
	assert_string_equal(options.peer, "n1:1");
	assert_string_equal(options.join, "n2:2");
	accept_words(WORDS("--data=/x"), WORDS());
	assert_null(options.peer);
	assert_null(options.advertise);
	assert_null(options.join);
	assert_null(options.tls);
	assert_null(options.grpc);
}

static void clients_are_told_where_members_reach_it(void **state)
{
	(void)state;
	char text[OPTIONS_CLIENTS_SIZE];
	const struct options told = {.grpc = "[::]:8400", .peer = "0.0.0.0:7400", .advertise = "n1.example:7400"};
	assert_string_equal(options_clients_address(&told, "", text), "n1.example:8400");
	const struct options started_again = {.grpc = "0.0.0.0:8400"};
	assert_string_equal(options_clients_address(&started_again, "[fd00::1]:7400", text), "[fd00::1]:8400");
	assert_null(options_clients_address(&started_again, "", text));
	const struct options at_one = {.grpc = "127.0.0.1:8400", .peer = "127.0.0.2:7400"};
	assert_null(options_clients_address(&at_one, "", text));
}

static void addresses_that_are_none_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"n1",    "n1:",   ":7400",    "n1:0",     "n1:65536",
	                                    "n1:-1", "n1:7 ", "::1:7400", "n1:123456"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char sentence[256];
		snprintf(sentence, sizeof sentence, "--peer: '%s' is no HOST:PORT", wrong[i]);
		refuse_words(WORDS("--data=/x", "--peer", wrong[i]), WORDS(), sentence);
		snprintf(sentence, sizeof sentence, "--grpc: '%s' is no HOST:PORT", wrong[i]);
		refuse_words(WORDS("--data=/x", "--grpc", wrong[i]), WORDS(), sentence);
		snprintf(sentence, sizeof sentence, "CLOG_ADVERTISE: '%s' is no HOST:PORT", wrong[i]);
		refuse_words(WORDS("--data=/x", "--peer=n:1"), WORDS("CLOG_ADVERTISE", wrong[i]), sentence);
		snprintf(sentence, sizeof sentence, "--join: '%s' is no HOST:PORT, and no dns:NAME:PORT", wrong[i]);
		refuse_words(WORDS("--data=/x", "--peer=n:1", "--join", wrong[i]), WORDS(), sentence);
	}
	refuse_words(WORDS("--data=/x", "--peer=n:1", "--join=a:1,,b:2"), WORDS(),
	             "--join: '' is no HOST:PORT, and no dns:NAME:PORT");
	refuse_words(WORDS("--data=/x", "--peer=n:1", "--join=dns:a"), WORDS(),
	             "--join: 'dns:a' is no HOST:PORT, and no dns:NAME:PORT");
	refuse_words(WORDS("--data=/x", "--peer=n:1", "--join",
	                   "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,a:14,a:15,a:16,a:17"),
	             WORDS(), "--join: more than 16 addresses");
	char longer[CONFIG_ADDRESS_SIZE + 1] = {0};
	memset(longer, 'a', CONFIG_ADDRESS_SIZE - 2);
	longer[CONFIG_ADDRESS_SIZE - 2] = ':';
	longer[CONFIG_ADDRESS_SIZE - 1] = '1';
	assert_int_equal(read_words(WORDS("--data=/x", "--peer", longer), WORDS()), -EINVAL);
	accept_words(WORDS("--data=/x", "--peer", longer + 1), WORDS());
}

static void who_joins_or_advertises_has_to_listen(void **state)
{
	(void)state;
	refuse_words(WORDS("--data=/x", "--join=n2:1"), WORDS(),
	             "--join needs --peer HOST:PORT: where this member listens to the others");
	refuse_words(WORDS("--data=/x", "--advertise=n2:1"), WORDS(),
	             "--advertise needs --peer HOST:PORT: where this member listens to the others");
}

static void an_owner_and_a_mode_are_taken(void **state)
{
	(void)state;
	accept_words(WORDS("--data=/x", "--owner", "nobody:root", "--mode=0660", "--allow-other"), WORDS());
	assert_string_equal(options.owner, "nobody:root");
	assert_int_equal(options.uid, 65534);
	assert_int_equal(options.gid, 0);
	assert_int_equal(options.mode, 0660);
	accept_words(WORDS("--data=/x"), WORDS("CLOG_OWNER", "nobody", "CLOG_MODE", "0", "CLOG_ALLOW_OTHER", "yes"));
	assert_int_equal(options.uid, 65534);
	assert_int_equal(options.gid, 65534);
	assert_int_equal(options.mode, 0);
	accept_words(WORDS("--data=/x", "--owner=root", "--mode=600"),
	             WORDS("CLOG_OWNER", "nobody", "CLOG_MODE", "666"));
	assert_int_equal(options.uid, 0);
	assert_int_equal(options.mode, 0600);
}

static void an_owner_or_a_mode_that_is_none_is_named(void **state)
{
	(void)state;
	refuse_words(WORDS("--data=/x", "--mode", "8"), WORDS(),
	             "--mode: '8' is no mode in octal of at most 666, such as 640");
	refuse_words(WORDS("--data=/x"), WORDS("CLOG_MODE", "777"),
	             "CLOG_MODE: '777' is no mode in octal of at most 666, such as 640");
	refuse_words(WORDS("--data=/x", "--owner", "no-such-user"), WORDS(),
	             "--owner: there is no user 'no-such-user' here");
	refuse_words(WORDS("--data=/x"), WORDS("CLOG_OWNER", "root:no-such-group"),
	             "CLOG_OWNER: there is no group 'no-such-group' here");
	refuse_words(WORDS("--data=/x", "--mode="), WORDS(), "--mode is empty");
}

static void an_owner_who_would_not_get_in_is_refused(void **state)
{
	(void)state;
	refuse_words(WORDS("--data=/x", "--owner=4100000001:0"), WORDS(),
	             "--owner 4100000001:0 needs --allow-other: without it the mount is for who runs clogd alone");
}

static void mounts_may_be_several(void **state)
{
	(void)state;
	accept_words(WORDS("--data=/x", "--mount", "/a", "--mount=/b", "--mount=/c"), WORDS("CLOG_MOUNT", "/y"));
	assert_mounts(WORDS("/a", "/b", "/c"));
	accept_words(WORDS("--data=/x", "--mount=1", "--mount=2", "--mount=3", "--mount=4", "--mount=5", "--mount=6",
	                   "--mount=7", "--mount=8"),
	             WORDS());
	assert_mounts(WORDS("1", "2", "3", "4", "5", "6", "7", "8"));
	refuse_words(WORDS("--data=/x", "--mount=1", "--mount=2", "--mount=3", "--mount=4", "--mount=5", "--mount=6",
	                   "--mount=7", "--mount=8", "--mount=9"),
	             WORDS(), "--mount: more than 8 folders");
	refuse_words(WORDS("--data=/x", "--mount=1", "--mount="), WORDS(), "--mount is empty");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	(void)state;
	char path[CONFIG_PATH_SIZE + 1];
	memset(path, '/', sizeof path);
	path[CONFIG_PATH_SIZE] = '\0';
	refuse_words(WORDS("--data", path), WORDS(), "--data is longer than 4095 bytes");
	path[CONFIG_PATH_SIZE - 1] = '\0';
	accept_words(WORDS("--data", path), WORDS());
}

static void the_environment_is_read(void **state)
{
	(void)state;
	accept_words(WORDS(), WORDS("CLOG_DATA", "/x", "CLOG_MOUNT", "/y", "CLOG_NAME", "one", "CLOG_GUARD", "no",
	                            "CLOG_ALLOW_OTHER", "yes"));
	assert_string_equal(options.data, "/x");
	assert_mounts(WORDS("/y"));
	assert_string_equal(options.name, "one");
	assert_false(options.guard);
	assert_true(options.allow_other);
}

static void the_hosts_first_label_is_a_name(void **state)
{
	(void)state;
	char name[CONFIG_NAME_SIZE];
	assert_int_equal(options_host_name("one", name, &err), 0);
	assert_string_equal(name, "one");
	assert_int_equal(options_host_name("node-2.example.org", name, &err), 0);
	assert_string_equal(name, "node-2");
}

static void a_host_whose_name_will_not_do_is_named(void **state)
{
	(void)state;
	static const char *const hosts[] = {"", ".example.org", "two words",
	                                    TEN TEN TEN TEN TEN TEN "abcd.example.org"};
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		char name[CONFIG_NAME_SIZE], sentence[256];
		assert_int_equal(options_host_name(hosts[i], name, &err), -EINVAL);
		snprintf(sentence, sizeof sentence,
		         "the host's name, '%s', is no name for a member: give one by --name", hosts[i]);
		assert_string_equal(err.text, sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_alone_is_enough),
		cmocka_unit_test(all_options_are_taken),
		cmocka_unit_test(the_last_of_repeated_options_counts),
		cmocka_unit_test(help_and_version_need_nothing_else),
		cmocka_unit_test(help_names_every_option_and_variable),
		cmocka_unit_test(data_is_demanded),
		cmocka_unit_test(an_unknown_option_is_named),
		cmocka_unit_test(a_stray_argument_is_named),
		cmocka_unit_test(a_missing_or_needless_value_is_named),
		cmocka_unit_test(wrong_values_are_named_with_where_they_stand),
		cmocka_unit_test(an_older_tls_is_for_who_asks_for_it),
		cmocka_unit_test(keys_for_web_tokens_are_told_of),
		cmocka_unit_test(names_that_no_member_has_are_refused),
		cmocka_unit_test(a_member_among_others_is_told_of_them),
		cmocka_unit_test(clients_are_told_where_members_reach_it),
		cmocka_unit_test(addresses_that_are_none_are_refused),
		cmocka_unit_test(who_joins_or_advertises_has_to_listen),
		cmocka_unit_test(an_owner_and_a_mode_are_taken),
		cmocka_unit_test(an_owner_or_a_mode_that_is_none_is_named),
		cmocka_unit_test(an_owner_who_would_not_get_in_is_refused),
		cmocka_unit_test(mounts_may_be_several),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(the_environment_is_read),
		cmocka_unit_test(the_hosts_first_label_is_a_name),
		cmocka_unit_test(a_host_whose_name_will_not_do_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
