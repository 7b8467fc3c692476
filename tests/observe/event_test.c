#include "observe/event.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "time=1970-01-01T00:00:00.000Z level=info event=test"

/* Formats one field at the beginning of 1970, and gives what follows HEAD as a string without the newline. */
static const char *format_text(const char *text)
{
	static char line[EVENT_LINE_SIZE_MAX];
	const size_t size = event_format(line, 0, OBSERVE_INFO, "test", &OBSERVE_TEXT("key", text), 1);
	assert_in_range(size, strlen(HEAD) + 1, sizeof line);
	assert_int_equal(line[size - 1], '\n');
	assert_null(memchr(line, '\n', size - 1));
	assert_memory_equal(line, HEAD, strlen(HEAD));
	line[size - 1] = '\0';
	return line + strlen(HEAD);
}

static void a_line_has_time_level_event_and_fields(void **state)
{
	(void)state;
	const struct observe_field fields[] = {OBSERVE_TEXT("folder", "/mnt/clog"), OBSERVE_NUMBER("count", 0),
	                                       OBSERVE_NUMBER("last", UINT64_MAX)};
	char line[EVENT_LINE_SIZE_MAX];
	const size_t size = event_format(line, 1700000000123999999u, OBSERVE_WARNING, "mounted", fields, 3);
	const char *const wanted = "time=2023-11-14T22:13:20.123Z level=warning event=mounted folder=/mnt/clog count=0 "
				   "last=18446744073709551615\n";
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(line, wanted, size);
}

static void times_are_those_of_the_c_library(void **state)
{
	(void)state;
	/* A prime step of about nine hours meets every day; the end is past the leap days of 2100, 2200 and 2400. */
	for (uint64_t second = 0; second < 13600000000u; second += 32749) {
		char line[EVENT_LINE_SIZE_MAX];
		event_format(line, second * 1000000000u, OBSERVE_INFO, "test", NULL, 0);
		struct tm tm;
		const time_t time = (time_t)second;
		assert_non_null(gmtime_r(&time, &tm));
		char wanted[64];
		assert_int_not_equal(strftime(wanted, sizeof wanted, "time=%Y-%m-%dT%H:%M:%S.000Z ", &tm), 0);
		assert_memory_equal(line, wanted, strlen(wanted));
	}
}

static void plain_values_stand_unquoted(void **state)
{
	(void)state;
	assert_string_equal(format_text("/mnt/clog"), " key=/mnt/clog");
	assert_string_equal(format_text("a:b,c;d'e[]{}~!"), " key=a:b,c;d'e[]{}~!");
}

static void values_are_quoted_where_they_would_be_misread(void **state)
{
	(void)state;
	assert_string_equal(format_text(""), " key=\"\"");
	assert_string_equal(format_text("two words"), " key=\"two words\"");
	assert_string_equal(format_text("a=b"), " key=\"a=b\"");
	assert_string_equal(format_text("say \"x\""), " key=\"say \\\"x\\\"\"");
	assert_string_equal(format_text("back\\slash"), " key=\"back\\\\slash\"");
}

static void control_bytes_are_escaped(void **state)
{
	(void)state;
	assert_string_equal(format_text("a\nlevel=error"), " key=\"a\\nlevel=error\"");
	assert_string_equal(format_text("\r\t\x1b[2J\x7f\x01"), " key=\"\\r\\t\\x1b[2J\\x7f\\x01\"");
}

static void valid_utf8_is_kept(void **state)
{
	(void)state;
	assert_string_equal(format_text("gr\u00fc\u00df\u20ac\U0001f600"), " key=\"gr\u00fc\u00df\u20ac\U0001f600\"");
	assert_string_equal(format_text("\u00a0\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"),
	                    " key=\"\u00a0\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff\"");
}

static void what_is_not_utf8_is_escaped(void **state)
{
	(void)state;
	assert_string_equal(format_text("\xff\xfe"), " key=\"\\xff\\xfe\"");
	assert_string_equal(format_text("\x80"), " key=\"\\x80\"");
	assert_string_equal(format_text("\xc3"), " key=\"\\xc3\"");                            /* ends too early */
	assert_string_equal(format_text("\xe2\x82z"), " key=\"\\xe2\\x82z\"");                 /* goes on wrongly */
	assert_string_equal(format_text("\xc0\xaf"), " key=\"\\xc0\\xaf\"");                   /* overlong, of two */
	assert_string_equal(format_text("\xe0\x80\xaf"), " key=\"\\xe0\\x80\\xaf\"");          /* of three */
	assert_string_equal(format_text("\xf0\x80\x80\xaf"), " key=\"\\xf0\\x80\\x80\\xaf\""); /* of four */
	assert_string_equal(format_text("\xe0\x9f\xbf"), " key=\"\\xe0\\x9f\\xbf\"");
	assert_string_equal(format_text("\xed\xbf\xbf"), " key=\"\\xed\\xbf\\xbf\"");
	assert_string_equal(format_text("\xed\xa0\x80"), " key=\"\\xed\\xa0\\x80\"");          /* a surrogate */
	assert_string_equal(format_text("\xf4\x90\x80\x80"), " key=\"\\xf4\\x90\\x80\\x80\""); /* past the last point */
	assert_string_equal(format_text("\xf5\x80\x80\x80"), " key=\"\\xf5\\x80\\x80\\x80\"");
}

static void characters_that_viewers_obey_are_escaped(void **state)
{
	(void)state;
	assert_string_equal(format_text("\xc2\x9b"), " key=\"\\xc2\\x9b\"");          /* U+009B, CSI */
	assert_string_equal(format_text("\xe2\x80\xa8"), " key=\"\\xe2\\x80\\xa8\""); /* U+2028, line separator */
	assert_string_equal(format_text("\xe2\x80\xae"), " key=\"\\xe2\\x80\\xae\""); /* U+202E, right to left */
	assert_string_equal(format_text("\xe2\x81\xa6"), " key=\"\\xe2\\x81\\xa6\""); /* U+2066, isolate */
}

static unsigned hex_digit(char digit)
{
	const char *const digits = "0123456789abcdef";
	const char *const found = strchr(digits, digit);
	assert_non_null(found);
	return (unsigned)(found - digits);
}

/* Undoes the quoting of what follows " key=". Returns the value's size, and what follows it in *rest. */
static size_t unquote(const char *text, char *value, const char **rest)
{
	assert_memory_equal(text, " key=\"", 6);
	text += 6;
	size_t size = 0;
	for (; *text != '"'; text++) {
		assert_in_range((unsigned char)*text, ' ', 0xff);
		if (*text != '\\') {
			value[size++] = *text;
			continue;
		}
		text++;
		if (*text == 'x') {
			value[size++] = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
			text += 2;
		} else {
			value[size++] = *text == 'n' ? '\n' : *text == 'r' ? '\r' : *text == 't' ? '\t' : *text;
		}
	}
	*rest = text + 1;
	return size;
}

static void random_bytes_come_back_by_unquoting(void **state)
{
	(void)state;
	uint64_t seed = 1;
	for (int round = 0; round < 20000; round++) {
		char text[34] = " "; /* so that it is quoted */
		for (size_t i = 1; i < sizeof text - 1; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[i] = (char)(seed >> 56 == 0 ? 1 : seed >> 56);
		}
		char value[EVENT_LINE_SIZE_MAX];
		const char *rest;
		assert_int_equal(unquote(format_text(text), value, &rest), strlen(text));
		assert_memory_equal(value, text, strlen(text));
		assert_string_equal(rest, "");
	}
}

static void a_long_value_is_cut_and_the_line_stays_whole(void **state)
{
	(void)state;
	static const char *const pieces[] = {"x", " ", "\n", "\xff", "\u20ac", "a\x01"};
	for (size_t piece = 0; piece < sizeof pieces / sizeof pieces[0]; piece++) {
		for (size_t size = 900; size < 4300; size++) {
			char text[4400];
			for (size_t i = 0; i < size; i++)
				text[i] = pieces[piece][i % strlen(pieces[piece])];
			text[size] = '\0';
			const char *const line = format_text(text);
			char value[EVENT_LINE_SIZE_MAX];
			const char *rest = "";
			if (line[5] != '"') {
				assert_string_equal(line + 5, text);
				continue;
			}
			const size_t kept = unquote(line, value, &rest);
			assert_memory_equal(value, text, kept);
			assert_string_equal(rest, kept < size ? " cut=1" : "");
			if (kept < size)
				assert_in_range(strlen(HEAD) + strlen(line) + 1, EVENT_LINE_SIZE_MAX - 4,
				                EVENT_LINE_SIZE_MAX);
			if (kept < size && piece == 1)
				assert_int_equal(strlen(HEAD) + strlen(line) + 1, EVENT_LINE_SIZE_MAX);
		}
	}
}

static void fields_that_do_not_fit_are_left_out(void **state)
{
	(void)state;
	for (size_t size = 3900; size < 4096; size++) {
		char text[4096];
		memset(text, 'x', size);
		text[size] = '\0';
		const struct observe_field fields[] = {OBSERVE_TEXT("long", text), OBSERVE_NUMBER("first", UINT64_MAX),
		                                       OBSERVE_NUMBER("second", UINT64_MAX)};
		char line[EVENT_LINE_SIZE_MAX + 1];
		const size_t end = event_format(line, 0, OBSERVE_INFO, "test", fields, 3);
		assert_in_range(end, 1, EVENT_LINE_SIZE_MAX);
		line[end] = '\0';
		const bool second = strstr(line, " second=18446744073709551615\n") != NULL;
		assert_true(second || strstr(line, " cut=1\n") != NULL);
		const char *const first = strstr(line, " first=");
		if (first != NULL)
			assert_memory_equal(first, " first=18446744073709551615", 27);
		if (second)
			assert_non_null(first);
	}
}

/* A pipe whose every read gives what one write put there, with a stream on its writing end. */
static FILE *packet_stream(int *reader, int buffering)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
	FILE *const stream = fdopen(ends[1], "w");
	assert_non_null(stream);
	assert_int_equal(setvbuf(stream, NULL, buffering, 4096), 0);
	*reader = ends[0];
	return stream;
}

static void each_line_is_one_write(void **state)
{
	(void)state;
	static const int bufferings[] = {_IONBF, _IOLBF, _IOFBF};
	for (size_t i = 0; i < sizeof bufferings / sizeof bufferings[0]; i++) {
		int reader;
		FILE *const stream = packet_stream(&reader, bufferings[i]);
		observe_output(stream, OBSERVE_INFO);
		observe_event(OBSERVE_INFO, "one", OBSERVE_TEXT("text", "first line"), OBSERVE_NUMBER("number", 1));
		char text[3001];
		memset(text, 'x', sizeof text - 1);
		text[sizeof text - 1] = '\0';
		observe_event(OBSERVE_INFO, "two", OBSERVE_TEXT("text", text));
		observe_output(NULL, OBSERVE_INFO);
		char packet[EVENT_LINE_SIZE_MAX + 1] = "";
		ssize_t size = read(reader, packet, sizeof packet - 1);
		assert_in_range(size, 1, sizeof packet);
		packet[size] = '\0';
		assert_non_null(strstr(packet, "Z level=info event=one text=\"first line\" number=1\n"));
		assert_ptr_equal(strchr(packet, '\n'), packet + size - 1);
		size = read(reader, packet, sizeof packet - 1);
		assert_in_range(size, 3000, sizeof packet);
		assert_ptr_equal(memchr(packet, '\n', (size_t)size), packet + size - 1);
		fclose(stream);
		close(reader);
	}
}

static void an_event_bears_the_time_it_was_sent_at(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *const stream = open_memstream(&text, &size);
	assert_non_null(stream);
	observe_output(stream, OBSERVE_INFO);
	for (int i = 0; i < 100; i++) {
		char before[EVENT_LINE_SIZE_MAX], after[EVENT_LINE_SIZE_MAX];
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		event_format(before, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, OBSERVE_INFO, "x",
		             NULL, 0);
		rewind(stream);
		observe_event(OBSERVE_INFO, "x", OBSERVE_NUMBER("number", 1));
		clock_gettime(CLOCK_REALTIME, &now);
		event_format(after, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, OBSERVE_INFO, "x", NULL,
		             0);
		const size_t head = strlen("time=1970-01-01T00:00:00.000Z");
		assert_true(memcmp(before, text, head) <= 0 && memcmp(text, after, head) <= 0);
	}
	observe_output(NULL, OBSERVE_INFO);
	fclose(stream);
	free(text);
}

#define THREADS 8
#define EVENTS 500

static void *send_events(void *arg)
{
	for (uint64_t i = 0; i < EVENTS; i++)
		observe_event(OBSERVE_INFO, "sent", OBSERVE_NUMBER("thread", *(const uint64_t *)arg),
		              OBSERVE_NUMBER("number", i));
	return NULL;
}

static void threads_do_not_interleave(void **state)
{
	(void)state;
	int reader;
	FILE *const stream = packet_stream(&reader, _IONBF);
	observe_output(stream, OBSERVE_INFO);
	pthread_t threads[THREADS];
	uint64_t numbers[THREADS];
	for (uint64_t i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, send_events, &numbers[i]), 0);
	}
	unsigned long long next[THREADS] = {0};
	for (size_t i = 0; i < THREADS * EVENTS; i++) {
		char packet[EVENT_LINE_SIZE_MAX + 1];
		const ssize_t size = read(reader, packet, sizeof packet - 1);
		assert_in_range(size, 1, sizeof packet);
		packet[size] = '\0';
		unsigned long long thread, number;
		char newline;
		const char *const fields = strstr(packet, "event=sent ");
		assert_non_null(fields);
		assert_int_equal(sscanf(fields, "event=sent thread=%llu number=%llu%c", &thread, &number, &newline), 3);
		assert_int_equal(newline, '\n');
		assert_in_range(thread, 0, THREADS - 1);
		assert_int_equal(number, next[thread]++);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	observe_output(NULL, OBSERVE_INFO);
	fclose(stream);
	close(reader);
}

static void levels_below_the_least_are_not_sent(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *const stream = open_memstream(&text, &size);
	assert_non_null(stream);
	observe_output(stream, OBSERVE_WARNING);
	observe_event(OBSERVE_DEBUG, "no", OBSERVE_NUMBER("number", 1));
	observe_event(OBSERVE_INFO, "no", OBSERVE_NUMBER("number", 1));
	assert_int_equal(size, 0);
	observe_event(OBSERVE_WARNING, "yes", OBSERVE_NUMBER("number", 1));
	observe_event(OBSERVE_ERROR, "yes", OBSERVE_NUMBER("number", 2));
	observe_output(stream, OBSERVE_DEBUG);
	observe_event(OBSERVE_DEBUG, "yes", OBSERVE_NUMBER("number", 3));
	observe_output(NULL, OBSERVE_INFO);
	assert_null(strstr(text, "event=no"));
	assert_non_null(strstr(text, "level=warning event=yes number=1\n"));
	assert_non_null(strstr(text, "level=error event=yes number=2\n"));
	assert_non_null(strstr(text, "level=debug event=yes number=3\n"));
	fclose(stream);
	free(text);
}

static void sending_neither_allocates_nor_touches_errno(void **state)
{
	(void)state;
	FILE *const full = fopen("/dev/full", "w"); /* every write fails: ENOSPC */
	assert_non_null(full);
	assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
	observe_output(full, OBSERVE_INFO);
	const struct mallinfo2 before = mallinfo2();
	errno = EDOM;
	observe_event(OBSERVE_INFO, "lost", OBSERVE_TEXT("text", "some words"));
	assert_int_equal(errno, EDOM);
	assert_int_equal(mallinfo2().uordblks, before.uordblks);
	observe_output(NULL, OBSERVE_INFO);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_event_and_fields),
		cmocka_unit_test(times_are_those_of_the_c_library),
		cmocka_unit_test(plain_values_stand_unquoted),
		cmocka_unit_test(values_are_quoted_where_they_would_be_misread),
		cmocka_unit_test(control_bytes_are_escaped),
		cmocka_unit_test(valid_utf8_is_kept),
		cmocka_unit_test(what_is_not_utf8_is_escaped),
		cmocka_unit_test(characters_that_viewers_obey_are_escaped),
		cmocka_unit_test(random_bytes_come_back_by_unquoting),
		cmocka_unit_test(a_long_value_is_cut_and_the_line_stays_whole),
		cmocka_unit_test(fields_that_do_not_fit_are_left_out),
		cmocka_unit_test(each_line_is_one_write),
		cmocka_unit_test(an_event_bears_the_time_it_was_sent_at),
		cmocka_unit_test(threads_do_not_interleave),
		cmocka_unit_test(levels_below_the_least_are_not_sent),
		cmocka_unit_test(sending_neither_allocates_nor_touches_errno),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
