/* Finding the items of a frame whose header is right and whose body is damaged.
 *
 * A size may be what was damaged, and the bytes of a record may look like items of this very frame, for who wrote them
 * may have meant them to. So nothing is taken for an item only because it looks like one. Places are known from the
 * front, where they follow from items that are whole; and from the end, which the header tells, as far as whole items
 * lead there in just one way. What is between is lost, unless all the sizes there lead from the one to the other. */
#ifndef CLOG_LOG_SALVAGE_H
#define CLOG_LOG_SALVAGE_H

#include "log/frame.h"

/* Gives the places of the items, counted from the frame, and after them the end of the last one: count + 1 numbers. 0
 * where a place is not known. An item that has its place need not be whole. */
void salvage_items(const struct frame_header *header, const unsigned char *bytes, uint32_t *places);

#endif
