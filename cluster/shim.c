#include "cluster/shim.h"

unsigned shims_off;

static bool on(enum shim shim)
{
	return (shims_off & shim) == 0;
}

void shim_mark_stale(struct message *answer, uint64_t asked_term, uint64_t term_before)
{
	if (!on(SHIM_1) || answer->type != MESSAGE_APPEND_RESULT || asked_term >= term_before)
		return;
	answer->append_result.stale = true;
	answer->append_result.last_entry = 0;
}

bool shim_drop_stale(const struct message *answer, uint64_t term)
{
	return answer->type == MESSAGE_APPEND_RESULT && answer->append_result.stale && answer->term <= term;
}

size_t shim_split(struct log_frame *const *frames, size_t count)
{
	if (!on(SHIM_2) || count == 0 || log_frame_header(frames[0])->type == LOG_CONFIGURATION)
		return count == 0 || !on(SHIM_2) ? count : 1;
	size_t n = 1;
	while (n < count && log_frame_header(frames[n])->type != LOG_CONFIGURATION)
		n++;
	return n;
}

bool shim_drop_rejection(const struct message *answer, uint64_t match)
{
	return on(SHIM_3) && answer->type == MESSAGE_APPEND_RESULT && answer->append_result.rejected > 0 &&
	       answer->append_result.last_entry < match;
}

uint64_t shim_timeout(uint64_t at, bool leader, uint64_t ticked_ms, uint32_t heartbeat_ms)
{
	uint64_t least = ticked_ms + heartbeat_ms;
	return on(SHIM_4) && leader && at < least ? least : at;
}

uint32_t shim_clip(struct message *append, uint64_t base_entry, uint64_t base_term)
{
	if (!on(SHIM_5) || append->append.entry >= base_entry)
		return 0;
	uint64_t below = base_entry - append->append.entry;
	uint32_t clipped = below < append->append.count ? (uint32_t)below : append->append.count;
	append->append.entry = base_entry;
	append->append.entry_term = base_term;
	append->append.count -= clipped;
	return clipped;
}

void shim_raise_denial(struct message *answer, uint64_t term)
{
	if (on(SHIM_6) && answer->type == MESSAGE_VOTE_RESULT && answer->vote_result.pre &&
	    !answer->vote_result.granted && answer->term < term)
		answer->term = term;
}

bool shim_drop_vote(const struct message *answer, bool candidate)
{
	return on(SHIM_7) && answer->type == MESSAGE_VOTE_RESULT && !candidate;
}

bool shim_drop_disorder(struct shim_order *order, const struct message *message)
{
	if (!on(SHIM_8))
		return false;
	if (message->start < order->start || (message->start == order->start && message->number <= order->number))
		return true;
	order->start = message->start;
	order->number = message->number;
	return false;
}

bool shim_begins_term(bool follower, bool only_voter, uint64_t now_ms, uint64_t expires_ms)
{
	return on(SHIM_9) && follower && only_voter && now_ms >= expires_ms;
}

bool shim_forgets_leader(bool follower, uint64_t now_ms, uint64_t expires_ms)
{
	return on(SHIM_10) && follower && now_ms >= expires_ms;
}

bool shim_lets_vote(bool voter)
{
	return on(SHIM_11) && !voter;
}
