#include "cluster/configuration.h"
#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_TERM 1u

static const struct service_ops service_ops = {.append = append_op,
                                               .ready = append_ready_op,
                                               .read = read_op,
                                               .read_end = read_end_op,
                                               .state = state_op,
                                               .members = members_op,
                                               .rpc_address = rpc_address_op,
                                               .settings = settings_op,
                                               .command = command_op};

static int path_of(char path[PATH_MAX], const struct cluster *cluster, const char *name, struct clog_error *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", cluster->data, name) < PATH_MAX)
		return 0;
	return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", cluster->data);
}

/* What a folder holds. */
struct contents {
	bool member;              /* it is a member's data folder */
	char alien[NAME_MAX + 1]; /* a name that a new member does not expect there */
};

static int look_at(const char *name, void *arg)
{
	static const char *const known[] = {"lock", "lost+found", "identity.new"};
	struct contents *contents = arg;
	contents->member = contents->member || strcmp(name, "identity") == 0;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(name, known[i]) == 0)
			return 0;
	snprintf(contents->alien, sizeof contents->alien, "%s", name);
	return 0;
}

/* Refuses a folder that has something else in it, before anything is changed there. */
static int check_folder(const struct cluster *cluster, struct clog_error *err)
{
	struct log_disk *disk = cluster->host->disk;
	struct contents contents = {0};
	int rc = disk->list(disk, cluster->data, look_at, &contents);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: %s", cluster->data, strerror(-rc));
	if (contents.member || contents.alien[0] == '\0')
		return 0;
	return clog_error_set(err, -ENOTEMPTY, "%s: no member's data folder, and not empty: it holds \"%s\"",
	                      cluster->data, contents.alien);
}

static int lock_folder(struct cluster *cluster, struct clog_error *err)
{
	struct log_disk *disk = cluster->host->disk;
	char path[PATH_MAX];
	int rc = disk->make_folder(disk, cluster->data);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: the data folder cannot be made: %s", cluster->data, strerror(-rc));
	rc = check_folder(cluster, err);
	if (rc == 0)
		rc = path_of(path, cluster, "lock", err);
	if (rc != 0)
		return rc;
	cluster->lock = disk->open(disk, path, O_RDWR | O_CREAT);
	if (cluster->lock < 0)
		return clog_error_set(err, cluster->lock, "%s: %s", path, strerror(-cluster->lock));
	rc = disk->lock(disk, cluster->lock);
	if (rc == -EBUSY)
		return clog_error_set(err, rc, "%s: the data folder is in use by another clogd", cluster->data);
	return rc == 0 ? 0 : clog_error_set(err, rc, "%s: cannot be locked: %s", path, strerror(-rc));
}

/* Makes durable what the folder lists: a process that was killed may have named a file and not have lived to sync the
 * name, and nothing else syncs it when the file is there already. */
static int sync_names(struct cluster *cluster, struct clog_error *err)
{
	struct log_disk *disk = cluster->host->disk;
	int rc = disk->sync_folder(disk, cluster->data);
	return rc == 0 ? 0 : clog_error_set(err, rc, "%s: fsync of the folder: %s", cluster->data, strerror(-rc));
}

/* Makes the name of a new member's data folder durable. What cannot be synced, a folder that is not ours to read or is
 * of a filesystem that never changes, is not where the data folder was just made. */
static int sync_parent(struct cluster *cluster, struct clog_error *err)
{
	struct log_disk *disk = cluster->host->disk;
	char parent[PATH_MAX];
	size_t length = strlen(cluster->data);
	while (length > 1 && cluster->data[length - 1] == '/')
		length--;
	while (length > 0 && cluster->data[length - 1] != '/')
		length--;
	while (length > 1 && cluster->data[length - 1] == '/')
		length--;
	snprintf(parent, sizeof parent, "%.*s", length == 0 ? 1 : (int)length, length == 0 ? "." : cluster->data);
	int rc = disk->sync_folder(disk, parent);
	if (rc == 0 || rc == -EACCES || rc == -EINVAL)
		return 0;
	return clog_error_set(err, rc, "%s: fsync of the folder: %s", parent, strerror(-rc));
}

static int make_identity(struct cluster *cluster, const struct cluster_options *options, struct clog_error *err)
{
	if (options->name == NULL)
		return clog_error_set(err, -ENODATA, "%s: a new member needs a name", cluster->data);
	struct identity *identity = &cluster->identity;
	*identity = (struct identity){0};
	snprintf(identity->name, sizeof identity->name, "%s", options->name);
	snprintf(identity->cluster, sizeof identity->cluster, "%s",
	         options->cluster == NULL ? "clog" : options->cluster);
	while (identity->id == 0)
		identity->id = cluster->host->random(cluster->host) >> 16;
	int rc = sync_parent(cluster, err);
	return rc != 0 ? rc : identity_save(identity, cluster->host->disk, cluster->data, err);
}

static int check_names(const struct cluster_options *options, struct clog_error *err)
{
	const char *const names[] = {options->name, options->cluster};
	for (size_t i = 0; i < 2; i++)
		if (names[i] != NULL && !identity_name_ok(names[i]))
			return clog_error_set(
				err, -EINVAL,
				"\"%s\" is no name: it takes 1 to %d of A-Z a-z 0-9 . _ - and no dot first", names[i],
				SERVICE_NAME_SIZE - 1);
	return 0;
}

static int open_identity(struct cluster *cluster, const struct cluster_options *options, struct clog_error *err)
{
	int rc = check_names(options, err);
	if (rc != 0)
		return rc;
	rc = identity_load(&cluster->identity, cluster->host->disk, cluster->data, err);
	if (rc == -ENOENT)
		return make_identity(cluster, options, err);
	if (rc != 0)
		return rc;
	if (options->name != NULL && strcmp(options->name, cluster->identity.name) != 0)
		return clog_error_set(err, -EINVAL, "%s: the data folder is of the member \"%s\", not \"%s\"",
		                      cluster->data, cluster->identity.name, options->name);
	return 0;
}

/* The first entry of a new cluster: its one member. */
static int append_first_configuration(struct cluster *cluster, struct clog_error *err)
{
	struct service_member self = {.id = cluster->identity.id, .role = SERVICE_VOTER};
	memcpy(self.name, cluster->identity.name, sizeof self.name);
	memcpy(self.address, cluster->address, sizeof self.address);
	unsigned char data[CONFIGURATION_SIZE_MAX];
	size_t size = configuration_encode(&self, 1, data);
	struct log_frame *frame;
	struct log_tail tail;
	struct log_header header = {
		.term = FIRST_TERM, .type = LOG_CONFIGURATION, .time_ns = cluster->host->time_ns(cluster->host)};
	int rc = log_frame_create(&frame);
	if (rc != 0)
		return clog_error_set(err, rc, "no memory");
	rc = log_frame_add(frame, data, size);
	if (rc == 0) {
		log_tail(cluster->log, &tail);
		log_frame_close(frame, &tail, &header);
		rc = log_append(cluster->log, frame, err);
	}
	log_frame_unref(frame);
	return rc == 0 ? log_sync(cluster->log, err) : rc;
}

/* The chores of a log that is new, so that already its first segment is written over zeros. */
static void prepare(struct cluster *cluster)
{
	struct log_job *job;
	while (log_chore_begin(cluster->log, &job) == 0 && job != NULL) {
		log_job_run(job);
		log_job_end(cluster->log, job, NULL);
	}
}

/* A new cluster is there once its vote is: term 1 was that of its first entry. What a crash left of an earlier try goes
 * on from where it was. */
static int bootstrap(struct cluster *cluster, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	if (tail.entry > 1)
		return clog_error_set(err, -EBADMSG, "%s/vote: missing, and the log has %llu entries", cluster->data,
		                      (unsigned long long)tail.entry);
	int rc = 0;
	if (tail.entry == 0) {
		prepare(cluster);
		rc = append_first_configuration(cluster, err);
	}
	cluster->vote.term = FIRST_TERM;
	cluster->vote.has_log = true;
	return rc == 0 ? vote_save(&cluster->vote, cluster->host->disk, cluster->data, err) : rc;
}

/* What the log must be beside the vote. */
static int check_log(const struct cluster *cluster, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	if (tail.entry == 0 && cluster->vote.has_log)
		return clog_error_set(err, -EBADMSG,
		                      "%s/log: empty, but the member has voted in term %llu: its log is lost",
		                      cluster->data, (unsigned long long)cluster->vote.term);
	if (tail.term > cluster->vote.term)
		return clog_error_set(err, -EBADMSG, "%s/vote: of term %llu, and the log has entries of term %llu",
		                      cluster->data, (unsigned long long)cluster->vote.term,
		                      (unsigned long long)tail.term);
	return 0;
}

/* When the last record that is known to be committed was appended. */
static int load_time(struct cluster *cluster, struct clog_error *err)
{
	struct log_read read = {.kind = LOG_READ_STAT, .offset = cluster->applied.next_offset - 1};
	cluster->applied.time_ns = 0;
	if (cluster->applied.next_offset == 0 || log_read_begin(cluster->log, &read) != 0)
		return 0;
	log_read_run(&read, true);
	int rc = log_read_end(cluster->log, &read);
	cluster->applied.time_ns = read.record.time_ns;
	log_read_finish(&read);
	/* Damage there has been told of, and is no reason to keep the rest from being read. */
	if (rc != 0 && rc != -EBADMSG)
		return clog_error_set(err, rc, "%s/log: the last record cannot be read: %s", cluster->data,
		                      strerror(-rc));
	return 0;
}

/* Who founded a cluster is not to be told to join another. A member that is not in its log's configuration has either not
 * got as far as the entry that takes it in, and will be sent the rest by whoever leads; or it was removed, and will be told. */
static int check_membership(const struct cluster *cluster, struct clog_error *err)
{
	const struct machine *machine = &cluster->machine;
	uint64_t id = cluster->identity.id;
	if (cluster->seed_count > 0 && machine->cluster == id && machine->members.count == 1)
		return clog_error_set(err, -EINVAL,
		                      "%s: it holds a cluster that was founded here, with no other member: to join "
		                      "another cluster the data folder must be empty",
		                      cluster->data);
	if (machine->members.count > 0 && !machine_members_has(&machine->members, id))
		observe_event(OBSERVE_WARNING, "not_in_cluster", OBSERVE_TEXT("name", cluster->identity.name),
		              OBSERVE_NUMBER("entry", machine->members.entry));
	return 0;
}

/* What the log's entries make of the cluster, and which of them are known to be committed. */
static int open_machine(struct cluster *cluster, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	int rc = check_log(cluster, err);
	if (rc == 0)
		rc = entries_load_steps(cluster, err);
	if (rc == 0)
		rc = entries_fill_states(cluster, err);
	if (rc == 0)
		rc = entries_load_machine(cluster, cluster->applied.entry, err);
	if (rc == 0) {
		entries_trim_again(cluster);
		rc = entries_extend_machine(cluster, tail.entry, err);
		force_end(cluster);
		force_look(cluster);
	}
	if (rc == 0 && tail.entry > 0 && cluster->machine.members.count == 0)
		rc = clog_error_set(err, -EBADMSG, "%s/log: corrupt: it has no configuration", cluster->data);
	if (rc == 0)
		rc = check_membership(cluster, err);
	return rc == 0 ? load_time(cluster, err) : rc;
}

static void tell_damage(const struct cluster *cluster)
{
	const struct log_damage *damage;
	size_t count = log_damage(cluster->log, &damage);
	for (size_t i = 0; i < count; i++)
		observe_event(OBSERVE_ERROR, "log_damaged", OBSERVE_NUMBER("segment", damage[i].segment),
		              OBSERVE_NUMBER("position", damage[i].position), OBSERVE_NUMBER("size", damage[i].size),
		              OBSERVE_NUMBER("first_entry", damage[i].first_entry),
		              OBSERVE_NUMBER("last_entry", damage[i].last_entry),
		              OBSERVE_NUMBER("first_offset", damage[i].first_offset),
		              OBSERVE_NUMBER("next_offset", damage[i].next_offset));
}

/* A new member that joins a cluster has nothing, and has promised nothing. */
static int begin_empty(struct cluster *cluster, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	if (tail.entry > 0)
		return clog_error_set(err, -EBADMSG, "%s/vote: missing, and the log has %llu entries", cluster->data,
		                      (unsigned long long)tail.entry);
	return vote_save(&cluster->vote, cluster->host->disk, cluster->data, err);
}

static int copy_addresses(struct cluster *cluster, const struct cluster_options *options, struct clog_error *err)
{
	const char *address = options->address == NULL ? "" : options->address;
	if (strlen(address) >= SERVICE_ADDRESS_SIZE)
		return clog_error_set(err, -EINVAL, "the address is longer than %d bytes", SERVICE_ADDRESS_SIZE - 1);
	if (options->seed_count > CLUSTER_SEEDS_MAX)
		return clog_error_set(err, -EINVAL, "%zu addresses to join at are more than %u", options->seed_count,
		                      CLUSTER_SEEDS_MAX);
	memcpy(cluster->address, address, strlen(address) + 1);
	for (size_t i = 0; i < options->seed_count; i++) {
		cluster->seeds[i] = strdup(options->seeds[i]);
		if (cluster->seeds[i] == NULL)
			return clog_error_set(err, -ENOMEM, "no memory");
		cluster->seed_count++;
	}
	cluster->machine_code = malloc(MACHINE_SIZE_MAX);
	return cluster->machine_code == NULL ? clog_error_set(err, -ENOMEM, "no memory") : 0;
}

static int open_parts(struct cluster *cluster, const struct cluster_options *options, struct clog_error *err)
{
	char path[PATH_MAX];
	int rc = lock_folder(cluster, err);
	if (rc == 0)
		rc = sync_names(cluster, err);
	if (rc == 0)
		rc = open_identity(cluster, options, err);
	if (rc == 0)
		rc = path_of(path, cluster, "log", err);
	if (rc != 0)
		return rc;
	struct log_options log_options = {.disk = cluster->host->disk,
	                                  .path = path,
	                                  .segment_size = options->segment_size,
	                                  .reserve_size = CLUSTER_RESERVE_SIZE,
	                                  .state_cb = entries_state,
	                                  .arg = cluster};
	rc = log_open(&cluster->log, &log_options, err);
	if (rc != 0)
		return rc;
	tell_damage(cluster);
	rc = vote_load(&cluster->vote, cluster->host->disk, cluster->data, err);
	if (rc == -ENOENT)
		rc = cluster->seed_count > 0 ? begin_empty(cluster, err) : bootstrap(cluster, err);
	return rc == 0 ? open_machine(cluster, err) : rc;
}

int cluster_open(struct cluster **cluster, const struct cluster_options *options, struct cluster_host *host,
                 struct clog_error *err)
{
	struct cluster *made = calloc(1, sizeof *made);
	if (made != NULL)
		made->data = strdup(options->data);
	if (made == NULL || made->data == NULL) {
		free(made);
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	made->service.ops = &service_ops;
	made->host = host;
	made->lock = -1;
	made->heartbeat_ms = options->heartbeat_ms == 0 ? CLUSTER_HEARTBEAT_MS : options->heartbeat_ms;
	made->election_ms = options->election_ms == 0 ? CLUSTER_ELECTION_MS : options->election_ms;
	made->deadline_ms = options->deadline_ms == 0 ? CLUSTER_DEADLINE_MS : options->deadline_ms;
	made->voters = options->voters == 0 ? CLUSTER_VOTERS : options->voters;
	append_init(made);
	int rc = copy_addresses(made, options, err);
	if (rc == 0)
		rc = open_parts(made, options, err);
	if (rc != 0) {
		cluster_close(made);
		return rc;
	}
	host->cluster = made;
	*cluster = made;
	return 0;
}

void cluster_close(struct cluster *cluster)
{
	if (cluster == NULL)
		return;
	core_destroy(cluster->core);
	append_finish(cluster);
	request_finish(cluster);
	peers_finish(cluster);
	mend_finish(cluster);
	free(cluster->held.data);
	log_close(cluster->log);
	reads_finish(cluster);
	entries_finish(cluster);
	for (size_t i = 0; i < cluster->seed_count; i++)
		free(cluster->seeds[i]);
	if (cluster->lock >= 0)
		cluster->host->disk->close(cluster->host->disk, cluster->lock);
	cluster->host->cluster = NULL;
	free(cluster->data);
	free(cluster);
}

void cluster_stop(struct cluster *cluster, void (*done)(void *arg), void *arg)
{
	cluster->stopping = true;
	cluster->stop_cb = done;
	cluster->stop_arg = arg;
	cluster->host->wake_soon(cluster->host);
}

struct service *cluster_service(struct cluster *cluster)
{
	return &cluster->service;
}

const char *cluster_name(const struct cluster *cluster)
{
	return cluster->identity.name;
}

const char *cluster_address(const struct cluster *cluster)
{
	size_t i = member_index(cluster, cluster->identity.id);
	return cluster->address[0] != '\0' || i == cluster->machine.members.count
	               ? cluster->address
	               : cluster->machine.members.members[i].address;
}

uint64_t cluster_now(const struct cluster *cluster)
{
	return cluster->host->now_ms(cluster->host);
}
