/* peer_uid: whose process is at the other end of a connection within this machine. */
#ifndef CLOG_RPC_PEER_UID_H
#define CLOG_RPC_PEER_UID_H

#include <sys/types.h>

/* Gives the user whose socket a connected TCP socket on a loopback address is connected to, as the kernel tells it.
 * -ENOENT when it has been closed meanwhile, or is not on this machine; -EACCES where the kernel does not tell. Does not
 * block. */
int peer_uid(int socket, uid_t *uid);

#endif
