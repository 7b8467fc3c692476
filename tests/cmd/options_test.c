#include "cmd/options.h"
#include "error/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 16

static struct options options;
static struct clog_error err;

/* Looks a variable up in an array of names and values that ends with NULL. */
static const char *look_up(const char *variable, void *arg)
{
	for (const char *const *pair = arg; pair[0] != NULL; pair += 2)
		if (strcmp(pair[0], variable) == 0)
			return pair[1];
	return NULL;
}

static int read_words(const char *const words[], const char *const environment[])
{
	char *argv[ARGUMENTS_MAX + 2] = {(char[]){"clogd"}};
	int argc = 1;
	for (; words[argc - 1] != NULL; argc++) {
		assert_in_range(argc, 1, ARGUMENTS_MAX);
		argv[argc] = (char *)(uintptr_t)words[argc - 1]; /* getopt_long writes to the array alone */
	}
	err = (struct clog_error){0};
	return options_read(&options, argc, argv, look_up, (void *)(uintptr_t)environment, &err);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void accept(const char *const words[], const char *const environment[])
{
	if (read_words(words, environment) != 0)
		fail_msg("%s", err.text);
}

static void refuse(const char *const words[], const char *const environment[], const char *sentence)
{
	assert_int_equal(read_words(words, environment), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_int_equal(err.code, -EINVAL);
}

static void data_alone_is_enough(void **state)
{
	(void)state;
	accept(WORDS("--data", "/x"), WORDS());
	assert_int_equal(options.action, OPTIONS_RUN);
	assert_string_equal(options.data, "/x");
	assert_null(options.mount);
	assert_null(options.name);
	assert_null(options.config);
	assert_true(options.guard);
	assert_false(options.allow_other);
}

static void all_options_are_taken(void **state)
{
	(void)state;
	accept(WORDS("--data=/x", "--mount", "/y", "--name", "a-1_b.C", "--guard", "no", "--allow-other"), WORDS());
	assert_string_equal(options.data, "/x");
	assert_string_equal(options.mount, "/y");
	assert_string_equal(options.name, "a-1_b.C");
	assert_false(options.guard);
	assert_true(options.allow_other);
	accept(WORDS("--allow-other=no", "--guard=true", "--data", "/x", "--"), WORDS());
	assert_true(options.guard);
	assert_false(options.allow_other);
	accept(WORDS("--allow-other=true", "--guard=false", "--data", "/x", "--"), WORDS());
	assert_false(options.guard);
	assert_true(options.allow_other);
}

static void the_last_of_repeated_options_counts(void **state)
{
	(void)state;
	accept(WORDS("--data", "/x", "--data", "/y"), WORDS());
	assert_string_equal(options.data, "/y");
}

static void help_and_version_need_nothing_else(void **state)
{
	(void)state;
	accept(WORDS("--help"), WORDS());
	assert_int_equal(options.action, OPTIONS_HELP);
	accept(WORDS("--version"), WORDS("CLOG_GUARD", "maybe"));
	assert_int_equal(options.action, OPTIONS_VERSION);
	accept(WORDS("--data", "/x", "--help", "--no-such"), WORDS());
	assert_int_equal(options.action, OPTIONS_HELP);
}

static void help_names_every_option_and_variable(void **state)
{
	(void)state;
	static const char *const words[] = {
		"--data",           "--mount",        "--name",    "--guard",     "--allow-other", "--config",
		"--help",           "--version",      "CLOG_DATA", "CLOG_MOUNT",  "CLOG_NAME",     "CLOG_GUARD",
		"CLOG_ALLOW_OTHER", "CLOG_CONFIG",    "--peer",    "--advertise", "--join",        "--tls",
		"CLOG_PEER",        "CLOG_ADVERTISE", "CLOG_JOIN", "CLOG_TLS",    "--grpc",        "CLOG_GRPC"};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		assert_non_null(strstr(options_help, words[i]));
}

static void data_is_demanded(void **state)
{
	(void)state;
	const char *const sentence = "where the data shall be is not said: --data DIR is needed";
	refuse(WORDS(), WORDS(), sentence);
	refuse(WORDS("--mount", "/y"), WORDS("CLOG_DATA", ""), sentence);
}

static void an_unknown_option_is_named(void **state)
{
	(void)state;
	refuse(WORDS("--data", "/x", "--port", "80"), WORDS(), "unknown option '--port'; clogd --help lists all");
	refuse(WORDS("--port=80"), WORDS(), "unknown option '--port=80'; clogd --help lists all");
	refuse(WORDS("-x"), WORDS(), "unknown option '-x'; clogd --help lists all");
	refuse(WORDS("--data", "/x", "-vd"), WORDS(), "unknown option '-v'; clogd --help lists all");
}

static void a_stray_argument_is_named(void **state)
{
	(void)state;
	refuse(WORDS("--data", "/x", "/y"), WORDS(), "'/y' is not an option; clogd --help lists all");
	refuse(WORDS("/y", "--data", "/x"), WORDS(), "'/y' is not an option; clogd --help lists all");
	refuse(WORDS("--data", "/x", "--", "--mount"), WORDS(), "'--mount' is not an option; clogd --help lists all");
	refuse(WORDS("--data", "/x", "-"), WORDS(), "'-' is not an option; clogd --help lists all");
	refuse(WORDS("--data", "/x", ""), WORDS(), "'' is not an option; clogd --help lists all");
	refuse(WORDS("--data", "/x", "--allow-other", "yes"), WORDS(),
	       "'yes' is not an option; clogd --help lists all");
}

static void a_missing_or_needless_value_is_named(void **state)
{
	(void)state;
	refuse(WORDS("--data"), WORDS(), "--data needs a value");
	refuse(WORDS("--data", "/x", "--config"), WORDS(), "--config needs a value");
	refuse(WORDS("--help=all"), WORDS(), "--help takes no value");
}

static void wrong_values_are_named_with_where_they_stand(void **state)
{
	(void)state;
	refuse(WORDS("--data", ""), WORDS(), "--data is empty");
	refuse(WORDS("--allow-other="), WORDS(), "--allow-other is empty");
	refuse(WORDS("--guard", "on"), WORDS(), "--guard is yes or no, not 'on'");
	refuse(WORDS("--allow-other=1"), WORDS(), "--allow-other is yes or no, not '1'");
	refuse(WORDS("--data", "/x"), WORDS("CLOG_GUARD", "1"), "CLOG_GUARD is yes or no, not '1'");
	/* Also where another source would have had its way. */
	refuse(WORDS("--data", "/x", "--guard", "no"), WORDS("CLOG_GUARD", "1"), "CLOG_GUARD is yes or no, not '1'");
}

static void names_that_no_member_has_are_refused(void **state)
{
	(void)state;
#define RULE " is no name for a member: at most 63 of A-Z, a-z, 0-9, '.', '_' and '-', not beginning with a dot"
	refuse(WORDS("--data", "/x", "--name", ".a"), WORDS(), "--name: '.a'" RULE);
	refuse(WORDS("--data", "/x", "--name", "a/b"), WORDS(), "--name: 'a/b'" RULE);
	refuse(WORDS("--data", "/x"), WORDS("CLOG_NAME", "a b"), "CLOG_NAME: 'a b'" RULE);
	refuse(WORDS("--data", "/x", "--name", "gr\u00fcn"), WORDS(), "--name: 'gr\u00fcn'" RULE);
#define TEN "abcdefghij"
	accept(WORDS("--data", "/x", "--name", TEN TEN TEN TEN TEN TEN "abc"), WORDS());
	refuse(WORDS("--data", "/x", "--name", TEN TEN TEN TEN TEN TEN "abcd"), WORDS(),
	       "--name: '" TEN TEN TEN TEN TEN TEN "abcd'" RULE);
}

static void a_member_among_others_is_told_of_them(void **state)
{
	(void)state;
	accept(WORDS("--data=/x", "--peer", "[::]:7400", "--advertise=n1:7400", "--tls=/t",
	             "--join=n2:1,[::1]:65535,dns:clog.example:7400", "--grpc=[::1]:8400"),
	       WORDS());
	assert_string_equal(options.peer, "[::]:7400");
	assert_string_equal(options.advertise, "n1:7400");
	assert_string_equal(options.join, "n2:1,[::1]:65535,dns:clog.example:7400");
	assert_string_equal(options.tls, "/t");
	assert_string_equal(options.grpc, "[::1]:8400");
	accept(WORDS("--data=/x"), WORDS("CLOG_PEER", "n1:1", "CLOG_JOIN", "n2:2", "CLOG_TLS", "/t", "CLOG_ADVERTISE",
	                                 "a:3", "CLOG_GRPC", "n1:4"));
	assert_string_equal(options.grpc, "n1:4");
	assert_string_equal(options.peer, "n1:1");
	assert_string_equal(options.join, "n2:2");
	accept(WORDS("--data=/x"), WORDS());
	assert_null(options.peer);
	assert_null(options.advertise);
	assert_null(options.join);
	assert_null(options.tls);
	assert_null(options.grpc);
}

static void addresses_that_are_none_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"n1",    "n1:",   ":7400",    "n1:0",     "n1:65536",
	                                    "n1:-1", "n1:7 ", "::1:7400", "n1:123456"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char sentence[256];
		snprintf(sentence, sizeof sentence, "--peer: '%s' is no HOST:PORT", wrong[i]);
		refuse(WORDS("--data=/x", "--peer", wrong[i]), WORDS(), sentence);
		snprintf(sentence, sizeof sentence, "--grpc: '%s' is no HOST:PORT", wrong[i]);
		refuse(WORDS("--data=/x", "--grpc", wrong[i]), WORDS(), sentence);
		snprintf(sentence, sizeof sentence, "CLOG_ADVERTISE: '%s' is no HOST:PORT", wrong[i]);
		refuse(WORDS("--data=/x", "--peer=n:1"), WORDS("CLOG_ADVERTISE", wrong[i]), sentence);
		snprintf(sentence, sizeof sentence, "--join: '%s' is no HOST:PORT, and no dns:NAME:PORT", wrong[i]);
		refuse(WORDS("--data=/x", "--peer=n:1", "--join", wrong[i]), WORDS(), sentence);
	}
	refuse(WORDS("--data=/x", "--peer=n:1", "--join=a:1,,b:2"), WORDS(),
	       "--join: '' is no HOST:PORT, and no dns:NAME:PORT");
	refuse(WORDS("--data=/x", "--peer=n:1", "--join=dns:a"), WORDS(),
	       "--join: 'dns:a' is no HOST:PORT, and no dns:NAME:PORT");
	refuse(WORDS("--data=/x", "--peer=n:1", "--join",
	             "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,a:14,a:15,a:16,a:17"),
	       WORDS(), "--join: more than 16 addresses");
	char longer[CONFIG_ADDRESS_SIZE + 1] = {0};
	memset(longer, 'a', CONFIG_ADDRESS_SIZE - 2);
	longer[CONFIG_ADDRESS_SIZE - 2] = ':';
	longer[CONFIG_ADDRESS_SIZE - 1] = '1';
	assert_int_equal(read_words(WORDS("--data=/x", "--peer", longer), WORDS()), -EINVAL);
	accept(WORDS("--data=/x", "--peer", longer + 1), WORDS());
}

static void who_joins_or_advertises_has_to_listen(void **state)
{
	(void)state;
	refuse(WORDS("--data=/x", "--join=n2:1"), WORDS(),
	       "--join needs --peer HOST:PORT: where this member listens to the others");
	refuse(WORDS("--data=/x", "--advertise=n2:1"), WORDS(),
	       "--advertise needs --peer HOST:PORT: where this member listens to the others");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	(void)state;
	char path[CONFIG_PATH_SIZE + 1];
	memset(path, '/', sizeof path);
	path[CONFIG_PATH_SIZE] = '\0';
	refuse(WORDS("--data", path), WORDS(), "--data is longer than 4095 bytes");
	path[CONFIG_PATH_SIZE - 1] = '\0';
	accept(WORDS("--data", path), WORDS());
}

static void the_environment_is_read(void **state)
{
	(void)state;
	accept(WORDS(), WORDS("CLOG_DATA", "/x", "CLOG_MOUNT", "/y", "CLOG_NAME", "one", "CLOG_GUARD", "no",
	                      "CLOG_ALLOW_OTHER", "yes"));
	assert_string_equal(options.data, "/x");
	assert_string_equal(options.mount, "/y");
	assert_string_equal(options.name, "one");
	assert_false(options.guard);
	assert_true(options.allow_other);
}

static char config_path[64];

static int make_file(void **state)
{
	(void)state;
	snprintf(config_path, sizeof config_path, "/tmp/clog-options.XXXXXX");
	const int file = mkstemp(config_path);
	assert_true(file >= 0);
	close(file);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(config_path);
	return 0;
}

static void write_config(const char *text)
{
	FILE *const file = fopen(config_path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void the_file_is_read(void **state)
{
	(void)state;
	write_config("data: /x\nmount: /y\nname: one\nguard: no\nallow-other: yes\n");
	accept(WORDS("--config", config_path), WORDS());
	assert_string_equal(options.data, "/x");
	assert_string_equal(options.mount, "/y");
	assert_string_equal(options.name, "one");
	assert_string_equal(options.config, config_path);
	assert_false(options.guard);
	assert_true(options.allow_other);
}

static void what_is_wrong_in_the_file_is_named(void **state)
{
	(void)state;
	char sentence[256];
	write_config("data: /x\nname: .one\n");
	snprintf(sentence, sizeof sentence, "%s: name: '.one'" RULE, config_path);
	refuse(WORDS("--config", config_path), WORDS(), sentence);
	write_config("data: /x\nguard: maybe\n");
	snprintf(sentence, sizeof sentence, "%s, line 2: guard is yes or no", config_path);
	refuse(WORDS(), WORDS("CLOG_CONFIG", config_path), sentence);
	unlink(config_path);
	assert_int_equal(read_words(WORDS("--data", "/x", "--config", config_path), WORDS()), -ENOENT);
	assert_non_null(strstr(err.text, config_path));
}

/* For each key alone: what comes first in the order of precedence is what counts. */
static void the_command_line_comes_before_the_environment_and_that_before_the_file(void **state)
{
	(void)state;
	write_config("data: /file\nmount: /file\nname: file\nguard: no\nallow-other: no\n");
	accept(WORDS("--config", config_path),
	       WORDS("CLOG_DATA", "/environment", "CLOG_MOUNT", "/environment", "CLOG_NAME", "environment",
	             "CLOG_GUARD", "yes", "CLOG_ALLOW_OTHER", "yes"));
	assert_string_equal(options.data, "/environment");
	assert_string_equal(options.mount, "/environment");
	assert_string_equal(options.name, "environment");
	assert_true(options.guard);
	assert_true(options.allow_other);
	accept(WORDS("--data", "/line", "--mount", "/line", "--name", "line", "--guard", "no", "--allow-other=no"),
	       WORDS("CLOG_CONFIG", config_path, "CLOG_DATA", "/environment", "CLOG_MOUNT", "/environment", "CLOG_NAME",
	             "environment", "CLOG_GUARD", "yes", "CLOG_ALLOW_OTHER", "yes"));
	assert_string_equal(options.data, "/line");
	assert_string_equal(options.mount, "/line");
	assert_string_equal(options.name, "line");
	assert_false(options.guard);
	assert_false(options.allow_other);
	accept(WORDS("--name", "line", "--config", config_path),
	       WORDS("CLOG_MOUNT", "/environment", "CLOG_NAME", "environment"));
	assert_string_equal(options.data, "/file");
	assert_string_equal(options.mount, "/environment");
	assert_string_equal(options.name, "line");
	assert_false(options.guard);
}

static void the_file_named_on_the_command_line_is_the_only_one_read(void **state)
{
	(void)state;
	write_config("data: /x\n");
	accept(WORDS("--config", config_path), WORDS("CLOG_CONFIG", "/no/such/file"));
	assert_string_equal(options.config, config_path);
}

static void assert_same(const char *one, const char *other)
{
	assert_int_equal(one != NULL, other != NULL);
	if (one != NULL)
		assert_string_equal(one, other);
}

static void what_is_rendered_reads_back_the_same(void **state)
{
	(void)state;
	static const char *const paths[] = {"/var/lib/clog",
	                                    "relative",
	                                    "/a b",
	                                    "/quote\"d",
	                                    "/back\\slash",
	                                    "yes",
	                                    "/tab\tnew\nline",
	                                    "/gr\u00fcn \u20ac",
	                                    "/\x01\x1b\x7f",
	                                    "/c1 \xc2\x80\xc2\x9f\u00a0",
	                                    "~",
	                                    "- dash",
	                                    "# comment",
	                                    "/: colon",
	                                    "{",
	                                    "'"};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct options first = {.data = paths[i],
		                              .mount = i % 2 == 0 ? paths[i] : NULL,
		                              .name = i % 3 == 0 ? "1e3" : NULL,
		                              .peer = i % 4 == 0 ? "[::1]:7400" : NULL,
		                              .advertise = i % 8 == 0 ? "n1:7400" : NULL,
		                              .join = i % 8 == 0 ? "dns:a:1,b:2" : NULL,
		                              .tls = i % 5 == 0 ? paths[i] : NULL,
		                              .grpc = i % 3 == 0 ? "n1:8400" : NULL,
		                              .guard = i % 2 == 0,
		                              .allow_other = i % 3 == 0};
		char *const text = options_render(&first);
		assert_non_null(text);
		for (const char *byte = text; *byte != '\0'; byte++)
			assert_true(*byte == '\n' || (unsigned char)*byte >= ' ');
		write_config(text);
		free(text);
		accept(WORDS("--config", config_path), WORDS());
		assert_string_equal(options.data, first.data);
		assert_same(options.mount, first.mount);
		assert_same(options.name, first.name);
		assert_same(options.peer, first.peer);
		assert_same(options.advertise, first.advertise);
		assert_same(options.join, first.join);
		assert_same(options.tls, first.tls);
		assert_same(options.grpc, first.grpc);
		assert_int_equal(options.guard, first.guard);
		assert_int_equal(options.allow_other, first.allow_other);
	}
}

static void rendered_lines_are_what_a_person_would_write(void **state)
{
	(void)state;
	const struct options told = {.data = "/var/lib/clog", .mount = "/mnt/my log", .name = "one", .guard = true};
	char *const text = options_render(&told);
	assert_string_equal(
		text, "data: /var/lib/clog\nmount: \"/mnt/my log\"\nname: \"one\"\nguard: yes\nallow-other: no\n");
	free(text);
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
		cmocka_unit_test(names_that_no_member_has_are_refused),
		cmocka_unit_test(a_member_among_others_is_told_of_them),
		cmocka_unit_test(addresses_that_are_none_are_refused),
		cmocka_unit_test(who_joins_or_advertises_has_to_listen),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(the_environment_is_read),
		cmocka_unit_test_setup_teardown(the_file_is_read, make_file, remove_file),
		cmocka_unit_test_setup_teardown(what_is_wrong_in_the_file_is_named, make_file, remove_file),
		cmocka_unit_test_setup_teardown(the_command_line_comes_before_the_environment_and_that_before_the_file,
	                                        make_file, remove_file),
		cmocka_unit_test_setup_teardown(the_file_named_on_the_command_line_is_the_only_one_read, make_file,
	                                        remove_file),
		cmocka_unit_test_setup_teardown(what_is_rendered_reads_back_the_same, make_file, remove_file),
		cmocka_unit_test(rendered_lines_are_what_a_person_would_write),
		cmocka_unit_test(the_hosts_first_label_is_a_name),
		cmocka_unit_test(a_host_whose_name_will_not_do_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
