/* The least that a log's mount could cost: a filesystem that answers what clogd's does from memory, over the same kernel
 * interface and with the same options, and keeps nothing. One thread, which polls.
 *
 *   bench_null_fs MOUNT     in the foreground, until it is unmounted or gets a SIGTERM
 *
 * log/records has a million records of 100 bytes, log/stream a GiB; log/append and log/lines take what comes. */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE_SIZE (1u << 20)
#define REQUESTS_A_TURN 256
#define RECORD_SIZE 100
#define RECORD_COUNT 1000000u
#define STREAM_SIZE ((off_t)1 << 30)
#define ALWAYS 3600

/* A node is a kind, and above it a number: of the record, or of the opening. */
#define KIND_BITS 6
enum kind { ROOT = 1, LOG, RECORDS, RECORD, STREAM, WRITABLE };

static char bytes[PIECE_SIZE];
static uint64_t lookups;

static enum kind kind_of(fuse_ino_t node)
{
	return node & ((1u << KIND_BITS) - 1);
}

static struct stat attributes(fuse_ino_t node)
{
	struct stat attr = {.st_ino = node, .st_nlink = 1, .st_blksize = PIECE_SIZE, .st_mode = S_IFREG | 0644};
	switch (kind_of(node)) {
	case RECORD:
		attr.st_size = RECORD_SIZE;
		break;
	case STREAM:
		attr.st_size = STREAM_SIZE;
		break;
	case WRITABLE:
		break;
	default:
		attr.st_mode = S_IFDIR | 0755;
	}
	return attr;
}

static void reply_node(fuse_req_t req, fuse_ino_t node, double entry_s)
{
	struct fuse_entry_param entry = {
		.ino = node, .attr = attributes(node), .entry_timeout = entry_s, .attr_timeout = ALWAYS};
	fuse_reply_entry(req, &entry);
}

static void lookup_record(fuse_req_t req, const char *name)
{
	char *end;
	unsigned long number = strtoul(name, &end, 10);
	if (*end != '\0' || number >= RECORD_COUNT)
		fuse_reply_err(req, ENOENT);
	else
		reply_node(req, number << KIND_BITS | RECORD, 1);
}

static void on_lookup(fuse_req_t req, fuse_ino_t folder, const char *name)
{
	if (kind_of(folder) == RECORDS)
		lookup_record(req, name);
	else if (strcmp(name, "log") == 0)
		reply_node(req, LOG, ALWAYS);
	else if (strcmp(name, "records") == 0)
		reply_node(req, RECORDS, ALWAYS);
	else if (strcmp(name, "stream") == 0)
		reply_node(req, STREAM, 0);
	else if (strcmp(name, "append") == 0 || strcmp(name, "lines") == 0)
		reply_node(req, ++lookups << KIND_BITS | WRITABLE, 0);
	else
		fuse_reply_err(req, ENOENT);
}

static void on_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	(void)file;
	struct stat attr = attributes(node);
	fuse_reply_attr(req, &attr, ALWAYS);
}

static void on_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int set, struct fuse_file_info *file)
{
	(void)attr;
	(void)set;
	on_getattr(req, node, file);
}

static void on_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	file->keep_cache = kind_of(node) == RECORD;
	file->direct_io = kind_of(node) != RECORD;
	file->noflush = 1;
	fuse_reply_open(req, file);
}

static void on_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t position, struct fuse_file_info *file)
{
	(void)file;
	off_t left = attributes(node).st_size - position;
	if (left < 0)
		left = 0;
	fuse_reply_buf(req, bytes, (off_t)size < left ? size : (size_t)left);
}

static void on_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t position,
                     struct fuse_file_info *file)
{
	(void)node;
	(void)data;
	(void)position;
	(void)file;
	fuse_reply_write(req, size);
}

static void on_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	(void)node;
	(void)file;
	fuse_reply_err(req, 0);
}

static void on_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t position, struct fuse_file_info *file)
{
	static char names[PIECE_SIZE];
	char name[24];
	size_t used = 0;
	(void)file;
	for (uint64_t number = (uint64_t)position; kind_of(node) == RECORDS && number < RECORD_COUNT; number++) {
		struct stat attr = attributes(number << KIND_BITS | RECORD);
		snprintf(name, sizeof name, "%lu", number);
		size_t entry = fuse_add_direntry(req, names + used, size - used, name, &attr, (off_t)number + 1);
		if (entry > size - used)
			break;
		used += entry;
	}
	fuse_reply_buf(req, names, used);
}

static void on_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	(void)node;
	(void)name;
	(void)size;
	fuse_reply_err(req, ENODATA);
}

static void on_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->max_write = PIECE_SIZE;
	connection->max_read = PIECE_SIZE;
	connection->want &= ~(uint32_t)(FUSE_CAP_ASYNC_DIO | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
	                                FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.setattr = on_setattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.release = on_release,
	.readdir = on_readdir,
	.getxattr = on_getxattr,
};

static void serve(struct fuse_session *session)
{
	struct fuse_buf request = {0};
	struct pollfd wanted = {.fd = fuse_session_fd(session), .events = POLLIN};
	fcntl(wanted.fd, F_SETFL, fcntl(wanted.fd, F_GETFL) | O_NONBLOCK);
	while (!fuse_session_exited(session) && (poll(&wanted, 1, -1) >= 0 || errno == EINTR)) {
		for (int i = 0; i < REQUESTS_A_TURN && !fuse_session_exited(session); i++) {
			int rc = fuse_session_receive_buf(session, &request);
			if (rc == -EINTR)
				continue;
			if (rc <= 0)
				break;
			fuse_session_process_buf(session, &request);
		}
	}
	free(request.mem);
}

int main(int argc, char **argv)
{
	char option[] = "-o", options[] = "fsname=null,nosuid,nodev,default_permissions,max_read=1048576";
	if (argc != 2) {
		fprintf(stderr, "usage: bench_null_fs MOUNT\n");
		return 2;
	}
	char *args_of[] = {argv[0], option, options, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, args_of);
	struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, NULL);
	fuse_opt_free_args(&args);
	if (session == NULL || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[1]) != 0)
		return 1;
	serve(session);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	return 0;
}
