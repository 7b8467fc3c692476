#include "tests/fs/dead_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

bool fuse_there(void)
{
	if (access("/dev/fuse", F_OK) == 0)
		return true;
	fprintf(stderr,
	        "/dev/fuse is not there, and these tests mount: load the module fuse, or give the container the "
	        "device\n");
	return false;
}

int dead_mount(const char *folder, const char *type)
{
	char options[80];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	int rc = mount("somebody", folder, type, MS_NOSUID | MS_NODEV, options) == 0 ? 0 : -errno;
	close(fd); /* which is its program's end */
	return rc;
}
