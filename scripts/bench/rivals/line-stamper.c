/* line-stamper COMMAND ARGS...: runs COMMAND, and stamps each of its lines that begins with a number as it appears on
* the pipe. Each line: pid, 0, ktime of the read, CPU of the victim, CPU of the reader. */
#define _GNU_SOURCE
#include "now.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int ends[2];
	char text[65536];
	ssize_t length;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || pipe(ends))
		return 1;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	close(ends[1]);
	while ((length = read(ends[0], text, sizeof(text) - 1)) > 0) {
		uint64_t now = now_ns();
		text[length] = 0;
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			int pid, cpu;
			if (sscanf(line, "%d %d", &pid, &cpu) == 2)
				printf("%d 0 %llu %d %d\n", pid, (unsigned long long)now, cpu, sched_getcpu());
			else if (strncmp(line, "Attaching", 9) == 0)
				puts("ready"); /* bpftrace: its own BEGIN needs uprobes, which not every kernel has */
		}
	}
	return 0;
}
