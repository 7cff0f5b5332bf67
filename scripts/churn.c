/* Starts many short-lived processes, so that the kernel reuses pids quickly, and records which of them a signal ended.
 * Tests use it to show that only chosen processes are signalled.
 *
 *   churn COUNT PARALLEL LIFE_US
 *
 * Each child sleeps for a random time up to LIFE_US and exits. The program prints a line "PID START_TICKS SIGNAL" for
 * each child that a signal ended, and "done COUNT" at the end. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads the start time, field 22 of stat. A zombie has this file until its parent calls wait(2). */
static unsigned long long start_ticks(pid_t pid)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	if (file)
		fclose(file);
	text[length] = 0;
	char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static void wait_for_one(void)
{
	siginfo_t info;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT))
		exit(1);
	if (info.si_code != CLD_EXITED)
		printf("%d %llu %d\n", info.si_pid, start_ticks(info.si_pid), info.si_status);
	waitpid(info.si_pid, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: churn COUNT PARALLEL LIFE_US\n", stderr);
		return 2;
	}
	long count = atol(argv[1]), parallel = atol(argv[2]), life_us = atol(argv[3]), alive = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long i = 0; i < count; i++, alive++) {
		if (alive == parallel) {
			wait_for_one();
			alive--;
		}
		unsigned int life = random() % life_us;
		pid_t child = fork();
		if (child < 0) { /* no pid is free */
			i--;
			alive--;
			usleep(100);
			continue;
		}
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			usleep(life);
			_exit(0);
		}
	}
	while (alive-- > 0)
		wait_for_one();
	printf("done %ld\n", count);
	return 0;
}
