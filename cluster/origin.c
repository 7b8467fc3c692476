/* Of which cluster a log is. */
#include "cluster/cluster.h"

#include "cluster/machine.h"
#include "error/error.h"

#include <errno.h>
#include <stdlib.h>

static int of_state(struct log *log, uint64_t *id)
{
	struct machine machine;
	struct log_tail tail;
	uint64_t entry;
	void *data;
	size_t size;
	log_tail(log, &tail);
	int rc = log_state(log, tail.entry, &entry, &data, &size);
	if (rc != 0)
		return rc;
	machine_init(&machine);
	rc = machine_decode(&machine, data, size);
	*id = machine.cluster;
	machine_finish(&machine);
	free(data);
	return rc;
}

/* What its first entry says: the founder's own configuration. */
static int of_first_entry(struct log *log, uint64_t *id, struct clog_error *err)
{
	struct machine_members members;
	struct log_frame *frame;
	int rc = log_read_frame(log, 1, &frame, err);
	if (rc != 0)
		return rc;
	rc = machine_members_decode(&members, frame);
	log_frame_unref(frame);
	if (rc != 0)
		return clog_error_set(err, rc, "the first entry of the log founds no cluster");
	*id = members.members[0].id;
	return 0;
}

int cluster_of_log(struct log *log, uint64_t *id, struct clog_error *err)
{
	struct log_tail base, tail;
	*id = 0;
	log_base(log, &base);
	log_tail(log, &tail);
	if (tail.entry == 0)
		return 0;
	int rc = of_state(log, id);
	if (rc == -ENOENT && base.entry == 0)
		return of_first_entry(log, id, err);
	if (rc == -ENOENT)
		rc = -EBADMSG;
	return rc == 0 ? 0 : clog_error_set(err, rc, "the log's state cannot be read");
}
