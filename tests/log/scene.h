/* scene: a log of some segments at rest, and harm done to it in places that are known. */
#ifndef CLOG_TESTS_LOG_SCENE_H
#define CLOG_TESTS_LOG_SCENE_H

#include "tests/disk/dice.h"
#include "tests/disk/memory.h"
#include "tests/log/parts.h"

#define SCENE_SEGMENTS 4u
#define SCENE_MUST_MAX 4u

enum harm {
	HARM_HEADER,  /* a byte of a frame's header */
	HARM_SIZE,    /* the size of an item */
	HARM_BYTES,   /* a byte of an item */
	HARM_PADDING, /* a byte after the items */
	HARM_FRAMES,  /* zeros over three frames */
	HARM_BODY,    /* random bytes from an item on, and over the next frame's header */
	HARM_REST,    /* zeros from a frame on to the end of its store's frames */
	HARM_KINDS,
};

struct scene {
	struct memory_disk *memory;
	struct model model;
	struct dice dice;
	uint64_t last;                      /* entry */
	uint64_t first[SCENE_SEGMENTS + 1]; /* entries of the segments; last + 1 at the end */
	/* What the harm leaves. */
	struct parts parts;
	unsigned char *frames, *records;
	struct log_damage must[SCENE_MUST_MAX]; /* what log_damage must tell */
	unsigned must_count;
};

/* Makes the log: all segments but the last one are sealed, the mark names the last entry. It is closed. */
void scene_begin(struct scene *scene, uint64_t seed);
void scene_finish(struct scene *scene);
/* The same log unharmed, on a disk of its own, to be finished too. */
void scene_copy(struct scene *copy, const struct scene *scene);

/* The segment that holds an entry, from 0; its store's path; where the frame stands in it. */
unsigned scene_segment(const struct scene *scene, uint64_t entry);
void scene_path(const struct scene *scene, uint64_t entry, const char *suffix, char path[static 64]);
uint64_t scene_position(const struct scene *scene, uint64_t entry);
/* Removes the index of the entry's segment, if there is one. */
void scene_drop_index(struct scene *scene, uint64_t entry);

/* Harms a frame; notes what is damaged then. False when it has nothing that can be harmed so. */
bool scene_harm(struct scene *scene, enum harm harm, uint64_t entry);
const char *scene_harm_name(enum harm harm);
/* Checks that log_damage tells just what it must. */
int scene_check_damage(const struct scene *scene, struct log *log, struct clog_error *err);
/* Notes that frames and their records are damaged. */
void scene_note(struct scene *scene, uint64_t first, uint64_t last, uint64_t size);

#endif
