#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>
#include <stdlib.h>

/* A read of the log on behalf of one of the service. Kept for reuse, with its buffers. */
struct record_read {
	struct log_read log; /* first: the host brings back its address */
	struct record_read *next;
	struct service_read *asked;
};

/* Buffers larger than this are not kept: many readers of large records would hold much memory for ever. */
#define BUFFER_KEPT_MAX ((size_t)512 << 10)

static struct cluster *of(struct service *service)
{
	return (struct cluster *)service;
}

static struct record_read *take(struct cluster *cluster)
{
	struct record_read *read = cluster->free_reads;
	if (read == NULL)
		return calloc(1, sizeof *read);
	cluster->free_reads = read->next;
	return read;
}

static void give_back(struct cluster *cluster, struct record_read *read)
{
	if (read->log.buffer_size + read->log.out_size > BUFFER_KEPT_MAX)
		log_read_finish(&read->log);
	read->next = cluster->free_reads;
	cluster->free_reads = read;
}

void reads_finish(struct cluster *cluster)
{
	while (cluster->free_reads != NULL) {
		struct record_read *read = take(cluster);
		log_read_finish(&read->log);
		free(read);
	}
}

/* What is asked, as far as it is committed. -ENOENT past that, -ENODATA for a stream that is read to its end. */
static int bound(const struct cluster *cluster, const struct service_read *asked, struct log_read *read)
{
	static const enum log_read_kind kinds[] = {
		[SERVICE_STAT] = LOG_READ_STAT, [SERVICE_RECORD] = LOG_READ_RECORD, [SERVICE_STREAM] = LOG_READ_STREAM};
	read->kind = kinds[asked->kind];
	read->offset = asked->offset;
	read->position = asked->position;
	if (asked->kind != SERVICE_STREAM)
		return asked->offset < cluster->applied.next_offset ? 0 : -ENOENT;
	if (asked->position >= cluster->applied.stream_size || asked->size == 0)
		return -ENODATA;
	uint64_t left = cluster->applied.stream_size - asked->position;
	read->size = asked->size < left ? asked->size : (uint32_t)left;
	return 0;
}

static void report_corruption(const struct service_read *asked, const struct log_read *read)
{
	observe_add(OBSERVE_CORRUPT_READS, 1);
	observe_event(OBSERVE_ERROR, "corrupt_read",
	              OBSERVE_NUMBER(asked->kind == SERVICE_STREAM ? "position" : "offset",
	                             asked->kind == SERVICE_STREAM ? asked->position : asked->offset),
	              OBSERVE_NUMBER("entry", read->record.entry));
}

/* Moves the answer over. */
static void finish(struct cluster *cluster, struct record_read *read)
{
	struct service_read *asked = read->asked;
	asked->status = log_read_end(cluster->log, &read->log);
	const struct log_record *record = &read->log.record;
	asked->record = (struct service_record){.offset = record->offset,
	                                        .entry = record->entry,
	                                        .term = record->term,
	                                        .time_ns = record->time_ns,
	                                        .size = record->size,
	                                        .crc32c = record->crc32c};
	asked->data = read->log.data;
	asked->data_size = read->log.data_size;
	if (asked->status == -EBADMSG) {
		report_corruption(asked, &read->log);
		mend_suspect(cluster, record->entry);
		asked->status = -EIO;
	}
	if (asked->status == 0) {
		observe_add(OBSERVE_READ_RECORDS, asked->kind == SERVICE_RECORD);
		observe_add(OBSERVE_READ_BYTES, asked->data_size);
	}
}

int read_op(struct service *service, struct service_read *asked)
{
	struct cluster *cluster = of(service);
	if (!cluster->started)
		return -ESHUTDOWN;
	/* What a spare has of the log is old, and grows no more. */
	if (cluster->spare)
		return -EHOSTUNREACH;
	struct record_read *read = take(cluster);
	if (read == NULL)
		return -ENOMEM;
	read->asked = asked;
	asked->state = read;
	int rc = bound(cluster, asked, &read->log);
	if (rc == 0)
		rc = log_read_begin(cluster->log, &read->log);
	if (rc == -ENODATA)
		return SERVICE_DONE;
	if (rc != 0) {
		give_back(cluster, read);
		asked->state = NULL;
		return rc;
	}
	log_read_run(&read->log, false);
	if (read->log.status == -EAGAIN) {
		cluster->reads_out++;
		cluster->host->run_read(cluster->host, &read->log);
		return SERVICE_PENDING;
	}
	finish(cluster, read);
	return SERVICE_DONE;
}

void cluster_read_done(struct cluster *cluster, struct log_read *log_read)
{
	if (peer_load_done(cluster, log_read)) {
		if (cluster->stopping)
			cluster->host->wake_soon(cluster->host);
		return;
	}
	struct record_read *read = (struct record_read *)log_read;
	struct service_read *asked = read->asked;
	cluster->reads_out--;
	finish(cluster, read);
	asked->cb(asked, asked->arg);
	if (cluster->stopping)
		cluster->host->wake_soon(cluster->host);
}

void read_end_op(struct service *service, struct service_read *asked)
{
	give_back(of(service), asked->state);
	asked->state = NULL;
	asked->data = NULL;
}

void reads_tell_more(struct cluster *cluster)
{
	uint64_t settings = settings_entry(cluster->settings);
	bool known = force_known(cluster);
	if (cluster->applied.next_offset == cluster->told_offset && settings == cluster->told_settings &&
	    known == cluster->told_known)
		return;
	cluster->told_settings = settings;
	cluster->told_known = known;
	cluster->told_offset = cluster->applied.next_offset;
	service_tell_more(&cluster->service);
}
