/* members_text: the members of a cluster, as a server knows them, and changes of them by it. */
#ifndef CLOG_CMD_MEMBERS_TEXT_H
#define CLOG_CMD_MEMBERS_TEXT_H

struct clog_error;
struct remote;
struct target;

#define MEMBERS_TEXT_FORMAT "%-16s %-24s %-8s %-12s %12s %8s  %s\n" /* name, address, role, state, match, lag, id */

/* Print the members, a line for each, behind a line of titles. The first by output_print. */
int members_text_print(struct remote *remote, struct clog_error *err);
int members_text_list(const struct target *target, struct clog_error *err);
/* Changes a member: role is one's name, "leader", or NULL to remove it. Waits until it is done. */
int members_text_change(const struct target *target, const char *name, const char *role, struct clog_error *err);

#endif
