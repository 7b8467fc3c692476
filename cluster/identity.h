/* What a member is, and what it promised: two small files in its data folder, each a cell (log/log.h). */
#ifndef CLOG_CLUSTER_IDENTITY_H
#define CLOG_CLUSTER_IDENTITY_H

#include "log/log.h"
#include "service/service.h"

struct identity {
	uint64_t id;                  /* 1 to 2^48 - 1, drawn at random when the data folder was new */
	char name[SERVICE_NAME_SIZE]; /* unique in the cluster */
	char cluster[SERVICE_NAME_SIZE];
};

/* True for [A-Za-z0-9._-], 1 to 63 of them, the first no dot. */
bool identity_name_ok(const char *name);

/* Reads the file "identity" of a data folder. -ENOENT when there is none, -EBADMSG when it is corrupt. */
int identity_load(struct identity *identity, struct log_disk *disk, const char *data, struct clog_error *err);
/* Makes it, durably. */
int identity_save(const struct identity *identity, struct log_disk *disk, const char *data, struct clog_error *err);

/* Raft's term and vote. */
struct vote {
	struct log_cell cell;
	uint64_t term;
	uint64_t vote; /* a member's id, 0 for none */
	bool has_log;  /* it has had entries: an empty log is a lost one */
};

/* Reads the file "vote" of a data folder. Errors as above. */
int vote_load(struct vote *vote, struct log_disk *disk, const char *data, struct clog_error *err);
/* Makes term and vote durable. A failure is final. */
int vote_save(struct vote *vote, struct log_disk *disk, const char *data, struct clog_error *err);

#endif
