/* Any bytes as a control command and as a machine's state, which stand in the log and come from a peer. What is taken is
 * encoded again and must come out the same, but for a state of the first version, which must as one of this.
 *
 * The input: the bytes. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/control.h"
#include "cluster/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char once[MACHINE_SIZE_MAX], twice[MACHINE_SIZE_MAX];

static void try_control(const uint8_t *data, size_t size)
{
	struct control control;
	int rc = control_decode(data, size, &control);
	assert(rc == 0 || rc == -EBADMSG);
	if (rc != 0)
		return;
	assert(size <= CONTROL_SIZE_MAX && control_encode(&control, once) == size);
	assert(memcmp(once, data, size) == 0);
}

static void try_machine(const uint8_t *data, size_t size)
{
	struct machine machine;
	machine_init(&machine);
	int rc = machine_decode(&machine, data, size);
	assert(rc == 0 || rc == -EBADMSG);
	if (rc != 0)
		return;
	size_t encoded = machine_encode(&machine, once);
	machine_finish(&machine);
	assert(data[8] == 1 || (encoded == size && memcmp(once, data, size) == 0));
	machine_init(&machine);
	assert(machine_decode(&machine, once, encoded) == 0);
	assert(machine_encode(&machine, twice) == encoded && memcmp(once, twice, encoded) == 0);
	machine_finish(&machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Copied, so that a byte past its end is found. */
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	assert(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	try_control(copy, size);
	try_machine(copy, size);
	free(copy);
	return 0;
}
