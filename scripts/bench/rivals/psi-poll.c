/* psi-poll trigger "some 20000 2000000" | psi-poll file MS: shows how fast a C program without BPF can be.
 *
 * trigger: poll(2) on a PSI trigger of /proc/pressure/memory. file: reads this file every MS milliseconds, and reports when
 * `some total` has grown. For each report it prints a line: "fired", ktime. */
#define _GNU_SOURCE
#include "now.h"
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char path[] = "/proc/pressure/memory";

static void fired(void)
{
	printf("fired %" PRIu64 "\n", now_ns());
}

static int trigger(const char *text)
{
	struct pollfd ready = { .fd = open(path, O_RDWR | O_NONBLOCK), .events = POLLPRI };

	if (ready.fd < 0 || write(ready.fd, text, strlen(text) + 1) < 0) {
		perror(text);
		return 1;
	}
	puts("ready");
	while (poll(&ready, 1, -1) > 0 && !(ready.revents & POLLERR))
		fired();
	return 1;
}

static int file(int ms)
{
	char text[512];
	unsigned long long last = 0, total;
	int fd = open(path, O_RDONLY);

	for (int first = 1;; usleep(ms * 1000), first = 0) {
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
		if (n <= 0)
			return 1;
		text[n] = 0;
		total = strtoull(strstr(text, "total=") + 6, NULL, 10);
		if (first)
			puts("ready");
		else if (total > last)
			fired();
		last = total;
	}
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "trigger"))
		return trigger(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "file"))
		return file(atoi(argv[2]));
	return 2;
}
