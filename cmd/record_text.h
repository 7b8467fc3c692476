/* record_text: how records are printed. */
#ifndef CLOG_CMD_RECORD_TEXT_H
#define CLOG_CMD_RECORD_TEXT_H

struct clog_error;
struct service_read;

enum record_text {
	RECORD_TEXT_BYTES,   /* as they are */
	RECORD_TEXT_OFFSETS, /* behind the offset and a tab; a newline is added where they do not end with one */
	RECORD_TEXT_JSON,    /* a line of JSON, as over HTTP: {"offset":N,"value":BASE64,"time":...} */
};

/* Writes a record that was read, by output_write. Returns its status. */
int record_text_write(enum record_text text, const struct service_read *read, struct clog_error *err);

#endif
