#include "log/salvage.h"

#include "log/bytes.h"

/* Bytes whose checksums are made on the way back, at most: a record may have been written to make that long. */
#define CHECKED_MAX (4 * (uint64_t)LOG_FRAME_SIZE_MAX)

struct search {
	const struct frame_header *header;
	const unsigned char *bytes;
	uint32_t *places;
	uint32_t count;
	uint32_t damaged; /* the first item that is */
	uint32_t known;   /* the first item after it whose place is known, and all later ones' are; count: none */
	bool unsure;      /* there were several ways to the end */
};

/* Goes from the first item on to one that is damaged, whose place is known too. Zeros are what an empty record at offset 0
 * looks like: that one has to be met from the other side. */
static void walk_forward(struct search *search)
{
	uint32_t i = 0, size, end = search->places[search->count];
	for (; i < search->count; i++) {
		uint32_t place = search->places[i];
		const unsigned char *item = search->bytes + place;
		if (frame_check_item(item, end - place, frame_item_offset(search->header, i), &size) != 0 ||
		    take_u64(item) == 0)
			break;
		if (i + 1 < search->count)
			search->places[i + 1] = place + ITEM_HEADER_SIZE + size;
	}
	search->damaged = i;
}

/* The item that is known to begin at a place, count for the end; 0 when none does. */
static uint32_t item_at(const struct search *search, uint32_t place)
{
	uint32_t low = search->known, high = search->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (search->places[middle] < place)
			low = middle + 1;
		else
			high = middle;
	}
	return search->places[low] == place ? low : 0;
}

/* The item that stands at a place, if it ends where one is known to begin and has room before it for those between it
 * and the damaged one; 0 when there is none. */
static uint32_t item_before(const struct search *search, uint32_t place, uint32_t size)
{
	uint32_t next = item_at(search, place + ITEM_HEADER_SIZE + size), first = search->damaged;
	bool fits = next > first + 1 && place - search->places[first] >= (next - 1 - first) * ITEM_HEADER_SIZE;
	return fits ? next - 1 : 0;
}

/* Goes from the end back to the damaged item. An item that has two places leaves nothing known of it and those before it. */
static void walk_back(struct search *search)
{
	uint32_t end = search->places[search->count], least = search->places[search->damaged] + ITEM_HEADER_SIZE;
	uint32_t last_unsure = 0;
	uint64_t checked = 0;
	for (uint32_t place = end - ITEM_HEADER_SIZE; place >= least; place--) {
		uint32_t size = take_u32(search->bytes + place);
		if (size > end - ITEM_HEADER_SIZE - place)
			continue;
		uint32_t i = item_before(search, place, size);
		if (i == 0)
			continue;
		checked += size;
		if (checked > CHECKED_MAX) {
			last_unsure = search->count - 1;
			break;
		}
		if (frame_check_item(search->bytes + place, end - place, frame_item_offset(search->header, i), &size) !=
		    0)
			continue;
		if (i < search->known)
			search->places[search->known = i] = place;
		else if (i > last_unsure)
			last_unsure = i;
	}
	search->unsure = last_unsure > 0;
	for (; search->known <= last_unsure; search->known++)
		search->places[search->known] = 0;
}

/* Takes the sizes of the items from the damaged one on for right if they lead just to the next one that is known. */
static void follow_sizes(struct search *search)
{
	uint32_t end = search->places[search->known], place = search->places[search->damaged];
	for (uint32_t i = search->damaged; i < search->known; i++) {
		if (end - place < ITEM_HEADER_SIZE || take_u32(search->bytes + place) > end - place - ITEM_HEADER_SIZE)
			return;
		place += ITEM_HEADER_SIZE + take_u32(search->bytes + place);
	}
	if (place != end)
		return;
	for (uint32_t i = search->damaged; i + 1 < search->known; i++)
		search->places[i + 1] = search->places[i] + ITEM_HEADER_SIZE +
		                        take_u32(search->bytes + search->places[i]);
}

void salvage_items(const struct frame_header *header, const unsigned char *bytes, uint32_t *places)
{
	uint32_t count = header->shown.count;
	struct search search = {.header = header, .bytes = bytes, .places = places, .count = count, .known = count};
	memset(places, 0, ((size_t)count + 1) * sizeof *places);
	places[0] = frame_items(header);
	places[count] = frame_items(header) + count * ITEM_HEADER_SIZE + header->data_size;
	walk_forward(&search);
	if (search.damaged < count)
		walk_back(&search);
	if (search.damaged < count && !search.unsure)
		follow_sizes(&search);
}
