#include "rpc/peer_uid.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 request;
};

/* Copies an address and its port; gives the family, or a negative errno. */
static int place(const struct sockaddr_storage *address, __be32 bytes[4], __be16 *port)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
		memcpy(bytes, &v4->sin_addr, sizeof v4->sin_addr);
		*port = v4->sin_port;
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
		memcpy(bytes, &v6->sin6_addr, sizeof v6->sin6_addr);
		*port = v6->sin6_port;
	} else {
		return -EAFNOSUPPORT;
	}
	return address->ss_family;
}

/* The other end's socket has our peer's address as its own. */
static int pose(int socket, struct question *question)
{
	struct sockaddr_storage here = {0}, there = {0};
	socklen_t here_size = sizeof here, there_size = sizeof there;
	if (getsockname(socket, (struct sockaddr *)&here, &here_size) != 0 ||
	    getpeername(socket, (struct sockaddr *)&there, &there_size) != 0)
		return -ENOENT;
	*question = (struct question){
		.header = {.nlmsg_len = sizeof *question,
	                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	                   .nlmsg_flags = NLM_F_REQUEST},
		.request = {.sdiag_protocol = IPPROTO_TCP,
	                    .idiag_states = UINT32_MAX,
	                    .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
	struct inet_diag_sockid *id = &question->request.id;
	int family = place(&there, id->idiag_src, &id->idiag_sport);
	if (family < 0 || place(&here, id->idiag_dst, &id->idiag_dport) != family)
		return -ENOENT;
	question->request.sdiag_family = (__u8)family;
	return 0;
}

/* A socket that nobody has open any more is shown as root's, without an inode. */
static int judge(const void *answer, ssize_t size, uid_t *uid)
{
	const struct nlmsghdr *header = answer;
	if (size < (ssize_t)sizeof *header || header->nlmsg_len > (size_t)size || header->nlmsg_len < sizeof *header)
		return -EACCES;
	if (header->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *error = NLMSG_DATA(header);
		return header->nlmsg_len >= NLMSG_LENGTH(sizeof *error) && error->error == -ENOENT ? -ENOENT : -EACCES;
	}
	const struct inet_diag_msg *found = NLMSG_DATA(header);
	if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || header->nlmsg_len < NLMSG_LENGTH(sizeof *found))
		return -EACCES;
	if (found->idiag_inode == 0)
		return -ENOENT;
	*uid = found->idiag_uid;
	return 0;
}

int peer_uid(int socket_of, uid_t *uid)
{
	struct question question;
	union {
		struct nlmsghdr aligned;
		char bytes[4096];
	} answer;
	int rc = pose(socket_of, &question);
	if (rc != 0)
		return rc;
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (netlink < 0)
		return -EACCES;
	rc = -EACCES;
	/* The kernel answers within the sending. */
	if (send(netlink, &question, sizeof question, 0) == (ssize_t)sizeof question)
		rc = judge(&answer, recv(netlink, &answer, sizeof answer, MSG_DONTWAIT), uid);
	close(netlink);
	return rc;
}
