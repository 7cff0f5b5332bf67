/* line-stamper [-c CPU] COMMAND ARGS...: runs COMMAND, and stamps each of its lines as its end appears on the pipe. With CPU it
 * runs on all other CPUs; COMMAND runs on any. Of a line that begins with a number, or of an oom.kill in JSON, it prints: pid of
 * the victim, 0, ktime of the read, CPU of the victim (-1: unknown), CPU of the reader. Of a pressure.stall that has just begun, it
 * prints: "stall", ktime of the begin, ktime of the read. */
#define _GNU_SOURCE
#include "keep-off.h"
#include "now.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void on_line(const char *line, uint64_t now)
{
	static const char victim[] = "\"victim\":{\"pid\":";
	static const char begin[] = "\"begin_mono_ns\":\"";
	int pid, cpu = -1;
	const char *at;

	if (line[0] == '{') {
		if (strstr(line, "\"type\":\"tracer.started\""))
			puts("ready");
		at = strstr(line, "\"type\":\"pressure.stall\"") && strstr(line, "\"finished\":false") ? strstr(line, begin) : NULL;
		if (at)
			printf("stall %llu %llu\n", strtoull(at + sizeof(begin) - 1, NULL, 10), (unsigned long long)now);
		at = strstr(line, "\"type\":\"oom.kill\"") ? strstr(line, victim) : NULL;
		if (!at)
			return;
		pid = atoi(at + sizeof(victim) - 1);
	} else if (strncmp(line, "Attaching", 9) == 0) {
		puts("ready"); /* bpftrace: its own BEGIN needs uprobes, which not every kernel has */
		return;
	} else if (sscanf(line, "%d %d", &pid, &cpu) != 2) {
		return;
	}
	printf("%d 0 %llu %d %d\n", pid, (unsigned long long)now, cpu, sched_getcpu());
}

int main(int argc, char **argv)
{
	static char text[1 << 20];
	size_t used = 0;
	int ends[2];
	ssize_t length;
	int off = -1;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 3 && strcmp(argv[1], "-c") == 0) {
		off = atoi(argv[2]);
		argv += 2;
	}
	if (!argv[1] || pipe(ends))
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
	if (off >= 0)
		keep_off(off);
	while ((length = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0) {
		uint64_t now = now_ns();
		char *line = text, *end;

		used += length;
		text[used] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			on_line(line, now);
		}
		used = text + used - line;
		memmove(text, line, used);
		if (used == sizeof(text) - 1)
			used = 0; /* no line is so long */
	}
	return 0;
}
