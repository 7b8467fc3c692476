/* batch: the records that a call gathers, to append them at once. */
#ifndef CLOG_RPC_BATCH_H
#define CLOG_RPC_BATCH_H

#include "proto/log.pb-c.h"
#include "service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_SIZE                                                                                                     \
	(256u << 10)      /* bytes of records of several requests that are appended as one batch, but for one larger */
#define BATCH_COUNT 4096u /* and how many */
#define BATCH_VALUES_MAX 65536u /* values of a request */

/* All zero but for expected at first (batch_clear). */
struct batch {
	unsigned char *data;
	size_t size, capacity;
	uint32_t *sizes;
	uint32_t count, sizes_capacity;
	/* It is of one request that no other may join: it has a condition, a session, or values, which are answered as one. */
	bool alone;
	bool answered_once;
	uint64_t expected;              /* SERVICE_ANYWHERE: any offset */
	struct service_session session; /* id 0: none */
	uint64_t sequence;
};

/* What is wrong with a request; NULL: nothing. Static. */
const char *batch_check(const Log__V1__ProduceRequest *request);
/* Whether a request may be added to what is there, which is not empty. */
bool batch_fits(const struct batch *batch, const Log__V1__ProduceRequest *request);
/* Adds its records, which are copied. -ENOMEM, and then the batch is of no use any more. */
int batch_add(struct batch *batch, const Log__V1__ProduceRequest *request);
/* Gives it to the service, as service_append_under and the others do. What is in it stays. */
int batch_append(const struct batch *batch, struct service *service, struct service_append *append,
                 service_append_cb cb, void *arg);
/* Nothing is in it any more; and frees what it has. */
void batch_clear(struct batch *batch);
void batch_finish(struct batch *batch);

#endif
