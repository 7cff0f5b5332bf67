/* Reads /dev/kmsg from its end. Prints a line for each "Killed process": pid, 0, ktime of the read, -1, CPU of the reader. */
#define _GNU_SOURCE
#include "now.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(void)
{
	static const char words[] = "Killed process ";
	char record[8192];
	int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return 1;
	puts("ready");
	for (;;) {
		ssize_t length = read(fd, record, sizeof(record) - 1);
		uint64_t now = now_ns();
		if (length < 0 && errno == EPIPE)
			continue; /* the record was overwritten before it was read; the next read continues after the gap */
		if (length < 0)
			return 1;
		record[length] = 0;
		const char *found = strstr(record, words);
		if (found)
			printf("%d 0 %llu -1 %d\n", atoi(found + strlen(words)), (unsigned long long)now, sched_getcpu());
	}
}
