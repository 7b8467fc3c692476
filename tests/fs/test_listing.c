#include "tests/fs/mounted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lists a folder as "name name ", and checks that each name is there with the inode number and the type listed. */
static void assert_listed(struct mounted *m, const char *name, const char *names)
{
	char found[1024] = "";
	size_t used = 0;
	struct dirent *entry;
	struct stat attr;
	DIR *folder = opendir(at(m, name));
	assert_non_null(folder);
	while (errno = 0, (entry = readdir(folder)) != NULL) {
		used += (size_t)snprintf(found + used, sizeof found - used, "%s ", entry->d_name);
		assert_int_equal(fstatat(dirfd(folder), entry->d_name, &attr, AT_SYMLINK_NOFOLLOW), 0);
		assert_int_equal(IFTODT(attr.st_mode), entry->d_type);
		if (strcmp(entry->d_name, "..") != 0 || name[0] != '\0')
			assert_true(attr.st_ino == entry->d_ino);
	}
	assert_int_equal(errno, 0);
	closedir(folder);
	assert_string_equal(found, names);
}

static void every_folder_shows_what_is_in_it(void **state)
{
	struct mounted *m = *state;
	for (int i = 0; i < 11; i++)
		fake_add(m->fake, "x", 1);
	assert_listed(m, "", ". .. append records leader self acl log cluster status ");
	assert_listed(m, "log", ". .. append lines records stream first next retention ");
	assert_listed(m, "log/records", ". .. 0 1 2 3 4 5 6 7 8 9 10 ");
	assert_listed(m, "cluster", ". .. one ");
	assert_listed(m, "cluster/one", ". .. id address role state match lag ");
	assert_listed(m, "status", ". .. health metrics version config term commit ");
}

static void the_listing_follows_what_changes(void **state)
{
	struct mounted *m = *state;
	assert_listed(m, "log/records", ". .. ");
	for (int i = 0; i < 5; i++)
		fake_add(m->fake, "x", 1);
	m->fake->first = 3;
	m->fake->leader = 0;
	snprintf(m->fake->members[1].name, SERVICE_NAME_SIZE, "two");
	m->fake->members[1].id = 8;
	m->fake->member_count = 2;
	assert_listed(m, "log/records", ". .. 3 4 ");
	assert_listed(m, "", ". .. append records self acl log cluster status ");
	assert_listed(m, "cluster", ". .. one two ");
	m->fake->member_count = 0;
	assert_listed(m, "cluster", ". .. ");
}

static void a_million_records_are_listed_each_once_and_in_order(void **state)
{
	struct mounted *m = *state;
	struct dirent *entry;
	uint64_t next = 5;
	m->fake->first = 5;
	m->fake->pretended = 1000005;
	DIR *folder = opendir(at(m, "log/records"));
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		assert_true(strtoull(entry->d_name, NULL, 10) == next);
		next++;
	}
	closedir(folder);
	assert_true(next == 1000005);
	assert_int_equal(m->fake->reads, 0); /* names alone */
}

static void a_listing_goes_on_from_any_place_that_was_told(void **state)
{
	struct mounted *m = *state;
	long places[200];
	struct dirent *entry;
	m->fake->pretended = 100000;
	DIR *folder = opendir(at(m, "log/records"));
	assert_non_null(folder);
	for (int i = 0; i < 200; i++) {
		places[i] = telldir(folder);
		assert_non_null(readdir(folder));
	}
	for (int i = 199; i >= 2; i -= 13) {
		seekdir(folder, places[i]);
		entry = readdir(folder);
		assert_int_equal(strtoull(entry->d_name, NULL, 10), i - 2);
	}
	/* A place is a number of the log's, not of this listing: it survives a trim. */
	m->fake->first = 50000;
	seekdir(folder, places[10]);
	entry = readdir(folder);
	assert_string_equal(entry->d_name, "50000");
	rewinddir(folder);
	assert_string_equal(readdir(folder)->d_name, ".");
	assert_string_equal(readdir(folder)->d_name, "..");
	assert_string_equal(readdir(folder)->d_name, "50000");
	closedir(folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_folder_shows_what_is_in_it),
		TEST(the_listing_follows_what_changes),
		TEST(a_million_records_are_listed_each_once_and_in_order),
		TEST(a_listing_goes_on_from_any_place_that_was_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
