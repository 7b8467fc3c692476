/* The bytes of each setting, little-endian: size of its key (2), 0 (2), size of its value (4), and these two. */
#include "cluster/settings.h"

#include "cluster/control.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct row {
	uint16_t key_size;
	uint16_t zero;
	uint32_t size;
};
static_assert(sizeof(struct row) == 8 && sizeof(struct row) <= SETTINGS_OVERHEAD, "no gaps");

void settings_unref(struct settings *settings)
{
	if (settings != NULL && --settings->references == 0)
		free(settings);
}

struct settings *settings_ref(struct settings *settings)
{
	if (settings != NULL)
		settings->references++;
	return settings;
}

uint64_t settings_entry(const struct settings *settings)
{
	return settings == NULL ? 0 : settings->entry;
}

/* ---- Making one ---- */

/* An empty table with room for so many settings that count for so much. */
static struct settings *make(uint64_t entry, size_t count, size_t size)
{
	/* A key's NUL is within what it counts for. */
	struct settings *settings = malloc(sizeof *settings + count * sizeof settings->all[0] + size);
	if (settings != NULL)
		*settings = (struct settings){.references = 1, .entry = entry};
	return settings;
}

/* Adds a setting. Its bytes go behind the table's rows, of which there will be so many. */
static void add(struct settings *settings, size_t count, const char *key, size_t key_size, const void *value,
                size_t size)
{
	char *at = (char *)&settings->all[count] + settings->size;
	memcpy(at, key, key_size);
	at[key_size] = '\0';
	memcpy(at + key_size + 1, value, size);
	settings->all[settings->count++] = (struct service_setting){
		.key = at, .value = at + key_size + 1, .size = size};
	settings->size += key_size + size + SETTINGS_OVERHEAD;
}

static int compare(const char *key, const struct control *control)
{
	int order = strncmp(key, control->key, control->key_size);
	return order == 0 && key[control->key_size] != '\0' ? 1 : order;
}

/* The place of the command's key, or where it would be. */
static size_t place_of(const struct settings *settings, const struct control *control, bool *found)
{
	size_t place = 0, count = settings == NULL ? 0 : settings->count;
	while (place < count && compare(settings->all[place].key, control) < 0)
		place++;
	*found = place < count && compare(settings->all[place].key, control) == 0;
	return place;
}

/* How many there are after the command, and what they count for. */
static int measure(const struct settings *before, const struct control *control, size_t *count, size_t *size)
{
	bool found;
	size_t place = place_of(before, control, &found);
	*count = before == NULL ? 0 : before->count;
	*size = before == NULL ? 0 : before->size;
	if (found) {
		*count -= 1;
		*size -= control->key_size + before->all[place].size + SETTINGS_OVERHEAD;
	}
	if (control->value_size == 0)
		return 0;
	*count += 1;
	*size += control->key_size + control->value_size + SETTINGS_OVERHEAD;
	return *count > SERVICE_SETTINGS_MAX || *size > SERVICE_SETTINGS_SIZE_MAX ? -ENOSPC : 0;
}

int settings_fit(const struct settings *before, const struct control *control)
{
	size_t count, size;
	return measure(before, control, &count, &size);
}

int settings_change(const struct settings *before, const struct control *control, uint64_t entry,
                    struct settings **after)
{
	bool found;
	size_t count, size, place = place_of(before, control, &found), old = before == NULL ? 0 : before->count;
	int rc = measure(before, control, &count, &size);
	if (rc != 0)
		return rc;
	struct settings *made = make(entry, count, size);
	if (made == NULL)
		return -ENOMEM;
	for (size_t i = 0; i <= old; i++) {
		if (i == place && control->value_size > 0)
			add(made, count, control->key, control->key_size, control->value, control->value_size);
		if (i < old && !(i == place && found))
			add(made, count, before->all[i].key, strlen(before->all[i].key), before->all[i].value,
			    before->all[i].size);
	}
	assert(made->count == count && made->size == size);
	*after = made;
	return 0;
}

/* ---- Bytes ---- */

size_t settings_encode(const struct settings *settings, unsigned char *data)
{
	unsigned char *at = data;
	for (size_t i = 0; settings != NULL && i < settings->count; i++) {
		const struct service_setting *setting = &settings->all[i];
		size_t key_size = strlen(setting->key);
		struct row row = {.key_size = htole16((uint16_t)key_size), .size = htole32((uint32_t)setting->size)};
		memcpy(at, &row, sizeof row);
		memcpy(at + sizeof row, setting->key, key_size);
		memcpy(at + sizeof row + key_size, setting->value, setting->size);
		at += sizeof row + key_size + setting->size;
	}
	return (size_t)(at - data);
}

/* Takes one setting off the front of the bytes. */
static int take(struct settings *settings, uint32_t count, const unsigned char **at, size_t *left)
{
	struct row row;
	if (*left < sizeof row)
		return -EBADMSG;
	memcpy(&row, *at, sizeof row);
	size_t key_size = le16toh(row.key_size), size = le32toh(row.size);
	const char *key = (const char *)*at + sizeof row;
	if (row.zero != 0 || size == 0 || size > SERVICE_VALUE_SIZE_MAX || key_size > *left - sizeof row ||
	    size > *left - sizeof row - key_size || !service_is_key(key, key_size))
		return -EBADMSG;
	add(settings, count, key, key_size, key + key_size, size);
	if (settings->count > 1 &&
	    strcmp(settings->all[settings->count - 2].key, settings->all[settings->count - 1].key) >= 0)
		return -EBADMSG;
	*at += sizeof row + key_size + size;
	*left -= sizeof row + key_size + size;
	return 0;
}

int settings_decode(const void *data, size_t size, uint32_t count, uint64_t entry, struct settings **settings)
{
	const unsigned char *at = data;
	*settings = NULL;
	if (entry == 0)
		return count == 0 && size == 0 ? 0 : -EBADMSG;
	if (count > SERVICE_SETTINGS_MAX || size > SERVICE_SETTINGS_SIZE_MAX)
		return -EBADMSG;
	struct settings *made = make(entry, count, size + (size_t)count * (SETTINGS_OVERHEAD - sizeof(struct row)));
	if (made == NULL)
		return -ENOMEM;
	int rc = 0;
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = take(made, count, &at, &size);
	if (rc == 0 && (size > 0 || made->size > SERVICE_SETTINGS_SIZE_MAX))
		rc = -EBADMSG;
	if (rc == 0)
		*settings = made;
	else
		settings_unref(made);
	return rc;
}
