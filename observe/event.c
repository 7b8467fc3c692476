#include "observe/event.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define CUT " cut=1"
#define ESCAPE_SIZE_MAX 4 /* bytes of \xNN, and of the longest UTF-8 sequence */

static _Atomic(FILE *) output; /* NULL: stderr */
static _Atomic int least_level = OBSERVE_INFO;

struct line {
	char *text;
	size_t size;
	bool cut; /* nothing more is taken */
};

/* The room there is but for a closing quote, the mark that something was cut, and the newline. */
static bool has_room(const struct line *line, size_t size)
{
	return !line->cut && line->size + size <= EVENT_LINE_SIZE_MAX - sizeof "\"" CUT;
}

static void put(struct line *line, const char *text, size_t size)
{
	if (!has_room(line, size)) {
		line->cut = true;
		return;
	}
	memcpy(line->text + line->size, text, size);
	line->size += size;
}

static void put_number(struct line *line, uint64_t number, size_t width)
{
	char digits[20];
	size_t begin = sizeof digits;
	do {
		digits[--begin] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0 || sizeof digits - begin < width);
	put(line, digits + begin, sizeof digits - begin);
}

/* The C library's conversion may read the time zone's file and allocate, so this is ours: years are counted from March,
 * which puts the leap day at their end. */
static void put_time(struct line *line, uint64_t time_ns)
{
	const uint64_t ms = time_ns / 1000000;
	const uint64_t second = ms / 1000 % 86400;
	const uint64_t day = ms / 86400000 + 719468; /* since the first of March of the year 0 */
	const uint64_t era = day / 146097;           /* of 400 years */
	const uint64_t day_of_era = day % 146097;
	const uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const uint64_t month_from_march = (5 * day_of_year + 2) / 153;
	const uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	put_number(line, era * 400 + year_of_era + (month <= 2), 4);
	put(line, "-", 1);
	put_number(line, month, 2);
	put(line, "-", 1);
	put_number(line, day_of_year - (153 * month_from_march + 2) / 5 + 1, 2);
	put(line, "T", 1);
	put_number(line, second / 3600, 2);
	put(line, ":", 1);
	put_number(line, second / 60 % 60, 2);
	put(line, ":", 1);
	put_number(line, second % 60, 2);
	put(line, ".", 1);
	put_number(line, ms % 1000, 3);
	put(line, "Z", 1);
}

/* Size of the valid UTF-8 sequence that text begins with, or 0. Its NUL ends a text, so a sequence is never read past
 * it. */
static size_t sequence_size(const unsigned char *text)
{
	const unsigned char first = text[0];
	size_t size;
	uint32_t point;
	if (first >= 0xc2 && first <= 0xdf) {
		size = 2;
		point = first & 0x1fu;
	} else if (first >= 0xe0 && first <= 0xef) {
		size = 3;
		point = first & 0x0fu;
	} else if (first >= 0xf0 && first <= 0xf4) {
		size = 4;
		point = first & 0x07u;
	} else {
		return 0;
	}
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	if ((size == 3 && point < 0x800) || (size == 4 && point < 0x10000) || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	/* Well-formed, but a terminal or a viewer obeys them: C1 controls, separators of lines, changes of
	 * direction. */
	if (point < 0xa0 || (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069))
		return 0;
	return size;
}

/* Puts the quoted form of what text begins with, and returns how many of its bytes that was. */
static size_t put_quoted(struct line *line, const unsigned char *text)
{
	static const char names[] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'};
	static const char hex[] = "0123456789abcdef";
	const unsigned char byte = text[0];
	if (byte < sizeof names && names[byte] != '\0') {
		put(line, (const char[]){'\\', names[byte]}, 2);
		return 1;
	}
	const size_t size = byte >= ' ' && byte < 0x7f ? 1 : sequence_size(text);
	if (size > 0) {
		put(line, (const char *)text, size);
		return size;
	}
	put(line, (const char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, ESCAPE_SIZE_MAX);
	return 1;
}

static bool is_plain(const char *text)
{
	for (const char *byte = text; *byte != '\0'; byte++)
		if (*byte <= ' ' || *byte > '~' || *byte == '"' || *byte == '=' || *byte == '\\')
			return false;
	return *text != '\0';
}

static void put_text(struct line *line, const char *text)
{
	if (is_plain(text) && has_room(line, strlen(text))) {
		put(line, text, strlen(text));
		return;
	}
	put(line, "\"", 1);
	const bool opened = !line->cut;
	for (const char *rest = text; *rest != '\0' && !line->cut;)
		rest += put_quoted(line, (const unsigned char *)rest);
	if (opened)
		line->text[line->size++] = '"'; /* has_room keeps its place */
}

static void put_field(struct line *line, const struct observe_field *field)
{
	const size_t size = strlen(field->key);
	assert(size > 0 && strspn(field->key, "abcdefghijklmnopqrstuvwxyz_") == size);
	/* A key is put only where its value can at least begin. */
	if (!has_room(line, size + 2 + 20)) {
		line->cut = true;
		return;
	}
	put(line, " ", 1);
	put(line, field->key, size);
	put(line, "=", 1);
	if (field->text != NULL)
		put_text(line, field->text);
	else
		put_number(line, field->number, 1);
}

size_t event_format(char text[static EVENT_LINE_SIZE_MAX], uint64_t time_ns, enum observe_level level,
                    const char *event, const struct observe_field *fields, size_t count)
{
	static const char *const levels[] = {[OBSERVE_DEBUG] = "debug",
	                                     [OBSERVE_INFO] = "info",
	                                     [OBSERVE_WARNING] = "warning",
	                                     [OBSERVE_ERROR] = "error"};
	struct line line = {.text = text};
	put(&line, "time=", 5);
	put_time(&line, time_ns);
	put_field(&line, &OBSERVE_TEXT("level", levels[level]));
	put_field(&line, &OBSERVE_TEXT("event", event));
	for (size_t i = 0; i < count && !line.cut; i++)
		put_field(&line, &fields[i]);
	if (line.cut) {
		memcpy(text + line.size, CUT, strlen(CUT));
		line.size += strlen(CUT);
	}
	text[line.size++] = '\n';
	return line.size;
}

void observe_event_fields(enum observe_level level, const char *event, const struct observe_field *fields, size_t count)
{
	if ((int)level < atomic_load(&least_level))
		return;
	const int saved_errno = errno;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	char line[EVENT_LINE_SIZE_MAX];
	const size_t size = event_format(line, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, level, event,
	                                 fields, count);
	FILE *stream = atomic_load(&output);
	if (stream == NULL)
		stream = stderr;
	/* One piece under the stream's lock and out at once. Where events can not be written there is nowhere to say
	 * so. */
	flockfile(stream);
	fwrite(line, 1, size, stream);
	fflush(stream);
	funlockfile(stream);
	errno = saved_errno;
}

void observe_output(FILE *stream, enum observe_level least)
{
	atomic_store(&output, stream);
	atomic_store(&least_level, (int)least);
}
