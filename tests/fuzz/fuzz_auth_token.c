/* Any bytes as what is kept of a token: what is taken has one form, and a name that can be one. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auth_token token;
	/* A copy without a NUL behind it, so that a read past the end is seen. */
	char *value = malloc(size > 0 ? size : 1);
	assert(value != NULL);
	if (size > 0)
		memcpy(value, data, size);
	const int rc = auth_token_read(&token, "ci", value, size);
	assert(rc == 0 || rc == -EBADMSG);
	if (rc == 0) {
		char again[AUTH_TOKEN_VALUE_SIZE] = "clog-token/1 grants=";
		const char *comma = "";
		for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++)
			if (token.granted[action]) {
				snprintf(again + strlen(again), sizeof again - strlen(again), "%s%s", comma,
				         auth_action_name((enum auth_action)action));
				comma = ",";
			}
		snprintf(again + strlen(again), sizeof again - strlen(again),
		         " created=%" PRIu64 " until=%" PRIu64 " sha256=", token.created_s, token.until_s);
		assert(size == strlen(again) + 64u && memcmp(again, value, strlen(again)) == 0);
	}
	free(value);
	return 0;
}
