#include "tests/cmd/reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULE " is no name for a member: at most 63 of A-Z, a-z, 0-9, '.', '_' and '-', not beginning with a dot"

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
	accept_words(WORDS("--config", config_path), WORDS());
	assert_string_equal(options.data, "/x");
	assert_mounts(WORDS("/y"));
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
	refuse_words(WORDS("--config", config_path), WORDS(), sentence);
	write_config("data: /x\nguard: maybe\n");
	snprintf(sentence, sizeof sentence, "%s, line 2: guard is yes or no", config_path);
	refuse_words(WORDS(), WORDS("CLOG_CONFIG", config_path), sentence);
	unlink(config_path);
	assert_int_equal(read_words(WORDS("--data", "/x", "--config", config_path), WORDS()), -ENOENT);
	assert_non_null(strstr(err.text, config_path));
}

/* For each key alone: what comes first in the order of precedence is what counts. */
static void the_command_line_comes_before_the_environment_and_that_before_the_file(void **state)
{
	(void)state;
	write_config("data: /file\nmount: /file\nname: file\nguard: no\nallow-other: no\n");
	accept_words(WORDS("--config", config_path),
	             WORDS("CLOG_DATA", "/environment", "CLOG_MOUNT", "/environment", "CLOG_NAME", "environment",
	                   "CLOG_GUARD", "yes", "CLOG_ALLOW_OTHER", "yes"));
	assert_string_equal(options.data, "/environment");
	assert_mounts(WORDS("/environment"));
	assert_string_equal(options.name, "environment");
	assert_true(options.guard);
	assert_true(options.allow_other);
	accept_words(
		WORDS("--data", "/line", "--mount", "/line", "--name", "line", "--guard", "no", "--allow-other=no"),
		WORDS("CLOG_CONFIG", config_path, "CLOG_DATA", "/environment", "CLOG_MOUNT", "/environment",
	              "CLOG_NAME", "environment", "CLOG_GUARD", "yes", "CLOG_ALLOW_OTHER", "yes"));
	assert_string_equal(options.data, "/line");
	assert_mounts(WORDS("/line"));
	assert_string_equal(options.name, "line");
	assert_false(options.guard);
	assert_false(options.allow_other);
	accept_words(WORDS("--name", "line", "--config", config_path),
	             WORDS("CLOG_MOUNT", "/environment", "CLOG_NAME", "environment"));
	assert_string_equal(options.data, "/file");
	assert_mounts(WORDS("/environment"));
	assert_string_equal(options.name, "line");
	assert_false(options.guard);
}

static void the_file_named_on_the_command_line_is_the_only_one_read(void **state)
{
	(void)state;
	write_config("data: /x\n");
	accept_words(WORDS("--config", config_path), WORDS("CLOG_CONFIG", "/no/such/file"));
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
		                              .mounts = {paths[i], paths[(i + 1) % 16], "/c"},
		                              .mount_count = i % 4,
		                              .name = i % 3 == 0 ? "1e3" : NULL,
		                              .peer = i % 4 == 0 ? "[::1]:7400" : NULL,
		                              .advertise = i % 8 == 0 ? "n1:7400" : NULL,
		                              .join = i % 8 == 0 ? "dns:a:1,b:2" : NULL,
		                              .tls = i % 5 == 0 ? paths[i] : NULL,
		                              .tls_1_2 = i % 3 == 0,
		                              .grpc = i % 3 == 0 ? "n1:8400" : NULL,
		                              .guard = i % 2 == 0,
		                              .allow_other = i % 3 == 0,
		                              .owner = i % 3 == 0 ? "nobody:root" : NULL,
		                              .mode = (mode_t)i * 31 & 0666};
		char *const text = options_render(&first);
		assert_non_null(text);
		for (const char *byte = text; *byte != '\0'; byte++)
			assert_true(*byte == '\n' || (unsigned char)*byte >= ' ');
		write_config(text);
		free(text);
		accept_words(WORDS("--config", config_path), WORDS());
		assert_string_equal(options.data, first.data);
		assert_int_equal(options.mount_count, first.mount_count);
		for (size_t mount = 0; mount < first.mount_count; mount++)
			assert_string_equal(options.mounts[mount], first.mounts[mount]);
		assert_same(options.name, first.name);
		assert_same(options.peer, first.peer);
		assert_same(options.advertise, first.advertise);
		assert_same(options.join, first.join);
		assert_same(options.tls, first.tls);
		assert_int_equal(options.tls_1_2, first.tls_1_2);
		assert_same(options.grpc, first.grpc);
		assert_int_equal(options.guard, first.guard);
		assert_int_equal(options.allow_other, first.allow_other);
		assert_same(options.owner, first.owner);
		assert_int_equal(options.mode, first.mode);
	}
}

static void rendered_lines_are_what_a_person_would_write(void **state)
{
	(void)state;
	struct options told = {.data = "/var/lib/clog",
	                       .mounts = {"/mnt/my log", "/srv/log"},
	                       .mount_count = 1,
	                       .name = "one",
	                       .guard = true,
	                       .mode = 040};
	char *text = options_render(&told);
	assert_string_equal(
		text,
		"data: /var/lib/clog\nmount: \"/mnt/my log\"\nname: \"one\"\nguard: yes\nallow-other: no\nmode: 040\n");
	free(text);
	told.mount_count = 2;
	told.owner = "nobody:7";
	text = options_render(&told);
	assert_string_equal(text, "data: /var/lib/clog\nmount:\n  - \"/mnt/my log\"\n  - /srv/log\nname: \"one\"\n"
	                          "guard: yes\nallow-other: no\nowner: \"nobody:7\"\nmode: 040\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_file_is_read, make_file, remove_file),
		cmocka_unit_test_setup_teardown(what_is_wrong_in_the_file_is_named, make_file, remove_file),
		cmocka_unit_test_setup_teardown(the_command_line_comes_before_the_environment_and_that_before_the_file,
	                                        make_file, remove_file),
		cmocka_unit_test_setup_teardown(the_file_named_on_the_command_line_is_the_only_one_read, make_file,
	                                        remove_file),
		cmocka_unit_test_setup_teardown(what_is_rendered_reads_back_the_same, make_file, remove_file),
		cmocka_unit_test(rendered_lines_are_what_a_person_would_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
