#include "cmd/record_text.h"

#include "cmd/clog.h"
#include "cmd/output.h"
#include "service/service.h"

#include <inttypes.h>
#include <time.h>

#define SECOND_NS 1000000000u
#define PIECE_SIZE 3072u /* bytes that are encoded at once: a multiple of 3 */

/* Without an encoder of its own a room would be linked for this alone. */
static int write_base64(const unsigned char *data, size_t size, struct clog_error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[PIECE_SIZE / 3 * 4];
	int status = CLOG_OK;
	for (size_t at = 0; at < size && status == CLOG_OK;) {
		size_t used = 0;
		for (const size_t end = size - at < PIECE_SIZE ? size : at + PIECE_SIZE; at < end; at += 3) {
			const size_t left = end - at;
			const unsigned bits = (unsigned)data[at] << 16 | (left > 1 ? (unsigned)data[at + 1] << 8 : 0) |
			                      (left > 2 ? data[at + 2] : 0);
			text[used++] = digits[bits >> 18];
			text[used++] = digits[bits >> 12 & 63];
			text[used++] = left > 1 ? digits[bits >> 6 & 63] : '=';
			text[used++] = left > 2 ? digits[bits & 63] : '=';
		}
		at = at < size ? at : size;
		status = output_write(text, used, err);
	}
	return status;
}

static int write_json(const struct service_read *read, struct clog_error *err)
{
	const time_t seconds = (time_t)(read->record.time_ns / SECOND_NS);
	struct tm parts;
	char time[32];
	gmtime_r(&seconds, &parts);
	strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &parts);
	int status = output_print(err, "{\"offset\":%" PRIu64 ",\"value\":\"", read->record.offset);
	if (status == CLOG_OK)
		status = write_base64(read->data, read->data_size, err);
	if (status == CLOG_OK)
		status = output_print(err, "\",\"time\":\"%s.%09uZ\"}\n", time,
		                      (unsigned)(read->record.time_ns % SECOND_NS));
	return status;
}

int record_text_write(enum record_text text, const struct service_read *read, struct clog_error *err)
{
	const char *const data = read->data;
	if (text == RECORD_TEXT_JSON)
		return write_json(read, err);
	int status = CLOG_OK;
	if (text == RECORD_TEXT_OFFSETS)
		status = output_print(err, "%" PRIu64 "\t", read->record.offset);
	if (status == CLOG_OK)
		status = output_write(data, read->data_size, err);
	if (status == CLOG_OK && text == RECORD_TEXT_OFFSETS &&
	    (read->data_size == 0 || data[read->data_size - 1] != '\n'))
		status = output_write("\n", 1, err);
	return status;
}
