#include "log/tail.h"

#include "log/bytes.h"

void tail_encode(unsigned char bytes[TAIL_SIZE], const struct log_tail *tail)
{
	put_u64(bytes, tail->entry);
	put_u64(bytes + 8, tail->term);
	put_u64(bytes + 16, tail->next_offset);
	put_u64(bytes + 24, tail->stream_size);
	put_u64(bytes + 32, tail->time_ns);
	put_u32(bytes + 40, tail->chain);
	put_u32(bytes + 44, 0);
}

void tail_decode(const unsigned char bytes[TAIL_SIZE], struct log_tail *tail)
{
	*tail = (struct log_tail){.entry = take_u64(bytes),
	                          .term = take_u64(bytes + 8),
	                          .next_offset = take_u64(bytes + 16),
	                          .stream_size = take_u64(bytes + 24),
	                          .time_ns = take_u64(bytes + 32),
	                          .chain = take_u32(bytes + 40)};
}

bool tail_same(const struct log_tail *a, const struct log_tail *b)
{
	return a->entry == b->entry && a->term == b->term && a->next_offset == b->next_offset &&
	       a->stream_size == b->stream_size && a->time_ns == b->time_ns && a->chain == b->chain;
}
