#include "channel/channel.h"

#include "error/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define NAME_MAX_SIZE 253 /* of DNS, as text and without the last dot */
#define LABEL_MAX_SIZE 63
#define SHOWN_SIZE 300 /* of an address in a sentence */

#define DIGITS "0123456789"
#define NAME_BYTES DIGITS "-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static bool only(const char *text, const char *bytes)
{
	return text[strspn(text, bytes)] == '\0';
}

static const char *name_fault(const char *name)
{
	size_t size = strlen(name);
	if (name[size - 1] == '.')
		size--;
	if (size > NAME_MAX_SIZE)
		return "the name is longer than 253 bytes";
	if (!only(name, NAME_BYTES "."))
		return "a name has letters, digits, '-', '_' and '.' only";
	for (const char *label = name; label == name || *label != '\0';) {
		size_t label_size = strcspn(label, ".");
		if (label_size == 0)
			return "the name has an empty label";
		if (label_size > LABEL_MAX_SIZE)
			return "the name has a label longer than 63 bytes";
		label += label_size + (label[label_size] == '.');
	}
	return NULL;
}

static const char *ipv6_fault(const char *host)
{
	struct sockaddr_in6 address;
	const char *zone = strchr(host, '%');
	if (uv_ip6_addr(host, 0, &address) != 0)
		return "in brackets stands an IPv6 address";
	if (zone != NULL && (zone[1] == '\0' || !only(zone + 1, NAME_BYTES ".")))
		return "after '%' stands the name of an interface";
	return NULL;
}

static const char *host_fault(const char *host)
{
	struct sockaddr_in address;
	/* No name ends in a label of digits that has others before it: what looks so is an address gone wrong. */
	if (only(host, DIGITS ".") && strchr(host, '.') > host)
		return uv_ip4_addr(host, 0, &address) == 0 ? NULL : "this is no IPv4 address";
	return name_fault(host);
}

static const char *port_fault(const char *port)
{
	if (port[0] == '\0')
		return "it has no port";
	if (!only(port, DIGITS))
		return "the port is not a number";
	if (strlen(port) >= CHANNEL_PORT_SIZE || strtoul(port, NULL, 10) > UINT16_MAX)
		return "the port is above 65535";
	return NULL;
}

/* Finds the parts, without looking at what is in them. */
static const char *find_parts(const char *address, const char **host, size_t *host_size, const char **port)
{
	const char *end = address[0] == '[' ? strchr(address, ']') : strrchr(address, ':');
	if (end == NULL)
		return address[0] == '[' ? "the bracket is not closed" : "it has no port";
	if (address[0] != '[' && strchr(address, ':') != end)
		return "it has more than one ':' (an IPv6 address stands in brackets: [::1]:7400)";
	*host = address;
	*port = end + 1;
	if (address[0] == '[') {
		(*host)++;
		if (end[1] == '\0')
			return "it has no port";
		if (end[1] != ':')
			return "after the bracket stands ':' and the port";
		(*port)++;
	}
	*host_size = (size_t)(end - *host);
	if (*host_size == 0)
		return "it has no host";
	return *host_size < CHANNEL_HOST_SIZE ? NULL : "the name is longer than 253 bytes";
}

int channel_split(const char *address, char host[CHANNEL_HOST_SIZE], char port[CHANNEL_PORT_SIZE],
                  struct clog_error *err)
{
	const char *host_text, *port_text;
	size_t host_size;
	const char *fault = find_parts(address, &host_text, &host_size, &port_text);
	if (fault == NULL)
		fault = port_fault(port_text);
	if (fault == NULL) {
		memcpy(host, host_text, host_size);
		host[host_size] = '\0';
		memcpy(port, port_text, strlen(port_text) + 1);
		fault = address[0] == '[' ? ipv6_fault(host) : host_fault(host);
	}
	if (fault == NULL)
		return 0;
	bool long_one = strlen(address) > SHOWN_SIZE;
	return clog_error_set(err, -EINVAL, "%.*s%s: %s", SHOWN_SIZE, address, long_one ? "..." : "", fault);
}

int channel_look_up(const char *listen, struct sockaddr_storage *address, struct clog_error *err)
{
	char host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
	struct addrinfo *found = NULL;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	int rc = channel_split(listen, host, port, err);
	if (rc != 0)
		return rc;
	rc = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
	if (rc != 0)
		return clog_error_set(err, -EINVAL, "%s: no address to listen at: %s", listen, gai_strerror(rc));
	memset(address, 0, sizeof *address);
	memcpy(address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

void channel_address_text(const struct sockaddr *address, char text[CHANNEL_ADDRESS_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(text, CHANNEL_ADDRESS_SIZE, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
		snprintf(text, CHANNEL_ADDRESS_SIZE, "[%s]:%u", host, ntohs(in->sin6_port));
	} else {
		snprintf(text, CHANNEL_ADDRESS_SIZE, "?");
	}
}

bool channel_is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (address->sa_family != AF_INET6)
		return false;
	const struct in6_addr *in = &((const struct sockaddr_in6 *)address)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(in) || (IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == IN_LOOPBACKNET);
}
