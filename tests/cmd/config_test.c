#include "cmd/config.h"
#include "error/error.h"
#include "tests/disk/allocation.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct config config;

static void accept_text(const char *text)
{
	struct clog_error err = {0};
	memset(&config, 0xff, sizeof config);
	const int status = config_parse(&config, "c.yaml", text, strlen(text), &err);
	if (status != 0)
		fail_msg("%s", err.text);
}

static void refuse_text(const char *text, const char *sentence)
{
	struct clog_error err = {0};
	assert_int_equal(config_parse(&config, "c.yaml", text, strlen(text), &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.text, sentence);
	/* Without an error to fill in, just the same. */
	assert_int_equal(config_parse(&config, "c.yaml", text, strlen(text), NULL), -EINVAL);
}

static void all_keys_are_read(void **state)
{
	(void)state;
	accept_text("data: /var/lib/clog\nmount: /mnt/clog\nname: one\nguard: no\nallow-other: yes\n");
	assert_string_equal(config.data, "/var/lib/clog");
	assert_string_equal(config.mount[0], "/mnt/clog");
	assert_int_equal(config.mount_count, 1);
	assert_string_equal(config.name, "one");
	assert_int_equal(config.guard, CONFIG_NO);
	assert_int_equal(config.allow_other, CONFIG_YES);
	accept_text("jwt-keys: /etc/clog/keys\njwt-audience: shop\n");
	assert_string_equal(config.jwt_keys, "/etc/clog/keys");
	assert_string_equal(config.jwt_audience, "shop");
}

static void other_ways_to_write_the_same_are_read(void **state)
{
	(void)state;
	accept_text("# a comment\n---\n{ data: \"/a b\\tc\", name: 'it', \"guard\": true, allow-other: \"false\" }\n");
	assert_string_equal(config.data, "/a b\tc");
	assert_int_equal(config.mount_count, 0);
	assert_string_equal(config.name, "it");
	assert_int_equal(config.guard, CONFIG_YES);
	assert_int_equal(config.allow_other, CONFIG_NO);
	accept_text("name: 5\r\ndata: gr\u00fcn");
	assert_string_equal(config.name, "5");
	assert_string_equal(config.data, "gr\u00fcn");
}

static void a_file_that_says_nothing_is_accepted(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "\n", "# only a comment\n", "{}\n"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		accept_text(texts[i]);
		assert_string_equal(config.data, "");
		assert_int_equal(config.mount_count, 0);
		assert_string_equal(config.name, "");
		assert_int_equal(config.guard, CONFIG_UNSET);
		assert_int_equal(config.allow_other, CONFIG_UNSET);
	}
}

static void an_unknown_key_is_named(void **state)
{
	(void)state;
	refuse_text("date: /x\n", "c.yaml, near line 1: unknown key 'date'");
	refuse_text("data: /x\n\nmont: /y\n", "c.yaml, near line 1: unknown key 'mont'");
	refuse_text("data: /x\nname: y\nDATA: /y\n", "c.yaml, near line 2: unknown key 'DATA'");
	refuse_text("data: /x\nconfig: other.yaml\n", "c.yaml, near line 1: unknown key 'config'");
	refuse_text("<<: {data: /x}\n", "c.yaml, near line 1: unknown key '<<'");
}

static void a_value_of_another_type_is_named_with_its_line(void **state)
{
	(void)state;
	refuse_text("name: x\ndata: [/x]\n", "c.yaml, line 2: data is one text, not a list or a mapping");
	refuse_text("mount: {a: b}\n", "c.yaml, line 1: mount is one text, or a list of at most 8");
	refuse_text("name: x\nguard: maybe\n", "c.yaml, line 2: guard is yes or no");
	refuse_text("guard: YES\n", "c.yaml, line 1: guard is yes or no");
	refuse_text("guard: 1\n", "c.yaml, line 1: guard is yes or no");
	refuse_text("guard:\n  - yes\n", "c.yaml, line 2: guard is yes or no");
	refuse_text("\nallow-other:\n", "c.yaml, line 2: allow-other is yes or no");
}

static void mount_may_be_a_list(void **state)
{
	(void)state;
	accept_text("data: /x\nmount: [/a, /b]\nowner: nobody:7\nmode: 0640\n");
	assert_int_equal(config.mount_count, 2);
	assert_string_equal(config.mount[0], "/a");
	assert_string_equal(config.mount[1], "/b");
	assert_string_equal(config.data, "/x");
	assert_string_equal(config.owner, "nobody:7");
	assert_string_equal(config.mode, "0640");
	accept_text("mount:\n  - /a\n");
	assert_int_equal(config.mount_count, 1);
	accept_text("mount: [1, 2, 3, 4, 5, 6, 7, 8]\n");
	assert_int_equal(config.mount_count, 8);
	assert_string_equal(config.mount[7], "8");
	refuse_text("mount: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n",
	            "c.yaml, line 1: mount is one text, or a list of at most 8");
	refuse_text("name: x\nmount: []\n", "c.yaml, line 2: mount is one text, or a list of at most 8");
	refuse_text("mount:\n- /a\n- [/b]\n", "c.yaml, line 2: mount is one text, or a list of at most 8");
	refuse_text("mount: [/a, '']\n", "c.yaml, line 1: mount is empty");
	refuse_text("mount: [/a]\nmont: /y\n", "c.yaml, near line 1: unknown key 'mont'");
	refuse_text("mount: [/a]\nguard: maybe\n", "c.yaml, line 2: guard is yes or no");
	refuse_text("mount: [/a]\nmount: /b\n", "c.yaml, near line 1: mount is given twice");
}

static void an_empty_value_is_named(void **state)
{
	(void)state;
	refuse_text("data: ''\n", "c.yaml, line 1: data is empty");
	refuse_text("name: x\nmount:\n", "c.yaml, line 2: mount is empty");
}

static void a_value_may_be_as_long_as_a_path_and_no_longer(void **state)
{
	(void)state;
	char text[CONFIG_PATH_SIZE + 64];
	char value[CONFIG_PATH_SIZE + 1];
	memset(value, 'x', sizeof value);
	snprintf(text, sizeof text, "data: /%.*s\n", CONFIG_PATH_SIZE - 2, value);
	accept_text(text);
	assert_int_equal(strlen(config.data), CONFIG_PATH_SIZE - 1);
	snprintf(text, sizeof text, "data: /%.*s\n", CONFIG_PATH_SIZE - 1, value);
	refuse_text(text, "c.yaml, line 1: data is longer than 4095 bytes");
	snprintf(text, sizeof text, "name: %.*s\n", CONFIG_NAME_SIZE - 1, value);
	accept_text(text);
	snprintf(text, sizeof text, "name: %.*s\n", CONFIG_NAME_SIZE, value);
	refuse_text(text, "c.yaml, line 1: name is longer than 63 bytes");
}

static void a_key_given_twice_is_named(void **state)
{
	(void)state;
	refuse_text("data: /x\nname: a\ndata: /y\n", "c.yaml, near line 2: data is given twice");
}

static void what_is_no_mapping_is_refused(void **state)
{
	(void)state;
	const char *const sentence = "c.yaml: not a mapping of keys to values, such as data: /var/lib/clog";
	refuse_text("- data\n", sentence);
	refuse_text("some words\n", sentence);
	refuse_text("? [a]\n: b\n", "c.yaml, near line 1: not a configuration: Internal error");
}

static void what_is_not_yaml_is_refused(void **state)
{
	(void)state;
	refuse_text("\t x", "c.yaml: not YAML: found character that cannot start any token");
	refuse_text("data: /x\n y: z\n",
	            "c.yaml, near line 1: not YAML: mapping values are not allowed in this context");
	refuse_text("name: x\ndata: \"/x\n", "c.yaml, near line 2: not YAML: found unexpected end of stream");
	refuse_text("data: \xff\xfe\n", "c.yaml: not YAML: invalid leading UTF-8 octet");
	refuse_text("data: \x01\n", "c.yaml: not YAML: control characters are not allowed");
}

static void aliases_are_refused(void **state)
{
	(void)state;
	refuse_text("data: &a /x\nmount: *a\n", "c.yaml, near line 2: aliases are not understood here");
}

static void a_second_document_is_refused(void **state)
{
	(void)state;
	refuse_text("data: /x\n---\ndata: /y\n", "c.yaml: more than one document");
}

static void no_bytes_crash_the_reader(void **state)
{
	(void)state;
	static const char *const pieces[] = {"data", "mount",  ": ",  ":",     "\n",  "\n  ", "- ", "[",    "]",
	                                     "{",    "}",      ",",   "'",     "\"",  "&a",   "*a", "? ",   "| \n",
	                                     "> ",   "!!int ", "yes", "guard", "---", "#",    "%",  "\xff", "\\x00"};
	const size_t piece_count = sizeof pieces / sizeof pieces[0];
	uint64_t seed = 7;
	size_t accepted = 0;
	for (int round = 0; round < 50000; round++) {
		char text[128] = "";
		size_t size = 0;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		for (size_t count = (seed >> 33) % 12; count > 0; count--) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			const char *const piece = pieces[(seed >> 33) % piece_count];
			memcpy(text + size, piece, strlen(piece));
			size += strlen(piece);
		}
		struct clog_error err = {0};
		if (config_parse(&config, "c.yaml", text, size, &err) == 0) {
			accepted++;
			continue;
		}
		assert_int_equal(err.code, -EINVAL);
		assert_memory_equal(err.text, "c.yaml", 6);
	}
	assert_in_range(accepted, 1, 49999);
}

/* A file of its own in a fresh folder. */
struct place {
	char folder[64];
	char path[96];
};

static int make_place(void **state)
{
	struct place *const place = calloc(1, sizeof *place);
	assert_non_null(place);
	snprintf(place->folder, sizeof place->folder, "/tmp/clog-config.XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof place->path, "%s/clogd.yaml", place->folder);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *const place = *state;
	unlink(place->path);
	rmdir(place->folder);
	free(place);
	return 0;
}

static void write_file(const char *path, const char *text, size_t size)
{
	FILE *const file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void a_file_is_loaded(void **state)
{
	const struct place *const place = *state;
	const char *const text = "data: /x\nname: one\n";
	write_file(place->path, text, strlen(text));
	assert_int_equal(config_load(&config, place->path, NULL), 0);
	assert_string_equal(config.data, "/x");
	assert_string_equal(config.name, "one");
}

static void a_pipe_is_read_to_its_end(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0); /* a read gives no more than one write's bytes */
	assert_int_equal(write(ends[1], "data: /x\n", 9), 9);
	assert_int_equal(write(ends[1], "name: one\n", 10), 10);
	close(ends[1]);
	char path[32];
	snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
	assert_int_equal(config_load(&config, path, NULL), 0);
	assert_string_equal(config.data, "/x");
	assert_string_equal(config.name, "one");
	close(ends[0]);
}

static void a_missing_file_is_named(void **state)
{
	const struct place *const place = *state;
	struct clog_error err = {0};
	char sentence[256];
	assert_int_equal(config_load(&config, place->path, &err), -ENOENT);
	snprintf(sentence, sizeof sentence, "%s: the configuration file cannot be read: No such file or directory",
	         place->path);
	assert_string_equal(err.text, sentence);
	assert_int_equal(config_load(&config, place->folder, &err), -EISDIR);
	snprintf(sentence, sizeof sentence, "%s: the configuration file cannot be read: Is a directory", place->folder);
	assert_string_equal(err.text, sentence);
}

static void a_file_may_have_its_maximum_size_and_no_more(void **state)
{
	const struct place *const place = *state;
	char *const text = malloc(CONFIG_FILE_SIZE_MAX + 1);
	assert_non_null(text);
	memset(text, '#', CONFIG_FILE_SIZE_MAX + 1);
	write_file(place->path, text, CONFIG_FILE_SIZE_MAX);
	assert_int_equal(config_load(&config, place->path, NULL), 0);
	write_file(place->path, text, CONFIG_FILE_SIZE_MAX + 1);
	struct clog_error err = {0};
	assert_int_equal(config_load(&config, place->path, &err), -EFBIG);
	assert_non_null(strstr(err.text, "larger than a configuration file may be, 65536 bytes"));
	assert_memory_equal(err.text, place->path, strlen(place->path));
	free(text);
}

static void memory_that_runs_out_is_an_error(void **state)
{
	const struct place *const place = *state;
	struct clog_error err = {0};
	write_file(place->path, "data: /x\n", 9);
	allocation_fail(1);
	assert_int_equal(config_load(&config, place->path, &err), -ENOMEM);
	assert_true(allocation_fired());
	assert_non_null(strstr(err.text, "out of memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_keys_are_read),
		cmocka_unit_test(other_ways_to_write_the_same_are_read),
		cmocka_unit_test(a_file_that_says_nothing_is_accepted),
		cmocka_unit_test(an_unknown_key_is_named),
		cmocka_unit_test(a_value_of_another_type_is_named_with_its_line),
		cmocka_unit_test(mount_may_be_a_list),
		cmocka_unit_test(an_empty_value_is_named),
		cmocka_unit_test(a_value_may_be_as_long_as_a_path_and_no_longer),
		cmocka_unit_test(a_key_given_twice_is_named),
		cmocka_unit_test(what_is_no_mapping_is_refused),
		cmocka_unit_test(what_is_not_yaml_is_refused),
		cmocka_unit_test(aliases_are_refused),
		cmocka_unit_test(a_second_document_is_refused),
		cmocka_unit_test(no_bytes_crash_the_reader),
		cmocka_unit_test_setup_teardown(a_file_is_loaded, make_place, remove_place),
		cmocka_unit_test(a_pipe_is_read_to_its_end),
		cmocka_unit_test_setup_teardown(a_missing_file_is_named, make_place, remove_place),
		cmocka_unit_test_setup_teardown(memory_that_runs_out_is_an_error, make_place, remove_place),
		cmocka_unit_test_setup_teardown(a_file_may_have_its_maximum_size_and_no_more, make_place, remove_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
