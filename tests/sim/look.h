/* look: the only part of the simulator that sees the inside of a member. */
#ifndef CLOG_TESTS_SIM_LOOK_H
#define CLOG_TESTS_SIM_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct cluster;
struct log;
struct machine;

/* Its log. */
struct log *look_log(const struct cluster *cluster);
bool look_leads(const struct cluster *cluster);
/* Whether it asks for votes. */
bool look_stands(const struct cluster *cluster);
uint64_t look_term(const struct cluster *cluster);
/* The last entry that it holds for committed. */
uint64_t look_commit(const struct cluster *cluster);
/* The last entry that it has applied. */
uint64_t look_applied(const struct cluster *cluster);
/* Its machine, which stands at the log's end. */
const struct machine *look_machine(const struct cluster *cluster);
/* The first entry that it has lost, or the last one that it has. */
uint64_t look_first_damage(const struct cluster *cluster);
/* Whether it knows that it has lost the entry. */
bool look_lost(const struct cluster *cluster, uint64_t entry);
/* Whether it has lost something, or may have. */
bool look_damaged(const struct cluster *cluster);
/* For a line of the trace: damage that is known, whether the machine lacks entries, the entry that is suspect. */
void look_damage(const struct cluster *cluster, uint64_t *count, bool *broken, uint64_t *suspect);
/* What it keeps of appends that are not answered yet. */
void look_queue(const struct cluster *cluster, uint64_t *count, uint64_t *size);
/* Has it fail, as by its disk: every append is answered, and it may be closed once nothing is out. */
void look_fail(struct cluster *cluster);

#endif
