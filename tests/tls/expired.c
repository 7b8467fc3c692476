/* Makes a member's certificate that expired an hour ago, for tests: expired AUTHORITY CLUSTER NAME FOLDER. */
#include "tests/tls/certificates.h"

#include <stdio.h>

#define HOUR_S 3600

int main(int argc, char *argv[])
{
	char uri[200];
	if (argc != 5)
		return 2;
	const struct odd odd = {.uris = {uri},
	                        .purposes = "serverAuth,clientAuth",
	                        .from_s = -2 * HOUR_S,
	                        .to_s = -HOUR_S,
	                        .authority = argv[1]};
	snprintf(uri, sizeof uri, "clog://%s/member/%s", argv[2], argv[3]);
	certificates_odd(&odd, argv[4]);
	return 0;
}
