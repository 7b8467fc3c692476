/* renew: the certificates of a member that other members do not know: nobody else looks at their files. */
#ifndef CLOG_CMD_RENEW_H
#define CLOG_CMD_RENEW_H

struct tls_context;

/* Takes what the folder's files have now in place of *tls, if it is for the same member; else that stays, and an event says
 * why. Blocks. */
void renew(struct tls_context **tls, const char *folder);

#endif
