/*
 * Sends ordinary signals, which kill no process, at a given rate, for the benchmark of the signal hook.
 *
 *   signal-rate KIND RATE SECONDS
 *
 * KIND is what the receiver, a child, does with the signal:
 *   handled  SIGUSR1 with a handler
 *   ignored  SIGUSR1 with SIG_IGN
 *   harmless SIGURG, whose default action is to ignore it
 *   blocked  SIGTERM with the default action, blocked: a process that takes its signals with sigwait(3)
 * RATE is the number of signals a second; 0: as many as possible. It prints one line of JSON: the number of signals, the
 * seconds, and the CPU time of the sender in seconds.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void handle(int signal)
{
	(void)signal;
}

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void receive(const char *kind, int signal_number, int ready)
{
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	if (!strcmp(kind, "handled"))
		signal(signal_number, handle);
	else if (!strcmp(kind, "ignored"))
		signal(signal_number, SIG_IGN);
	else if (!strcmp(kind, "blocked"))
		sigprocmask(SIG_BLOCK, &set, NULL);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;) {
		int got;
		if (!strcmp(kind, "blocked"))
			sigwait(&set, &got);
		else
			pause();
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "signal-rate: expected KIND RATE SECONDS\n");
		return 2;
	}
	int number = !strcmp(argv[1], "harmless") ? SIGURG : !strcmp(argv[1], "blocked") ? SIGTERM : SIGUSR1;
	double rate = atof(argv[2]), length = atof(argv[3]);
	int ready[2];
	char byte;

	if (pipe(ready))
		return 1;
	pid_t child = fork();
	if (child < 0)
		return 1;
	if (!child)
		receive(argv[1], number, ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 1;

	double start = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), now = start;
	unsigned long sent = 0;
	/* In bursts of 100, so that the clock is read seldom. */
	while (now - start < length) {
		if (!rate || sent < (now - start) * rate) {
			for (int i = 0; i < 100; i++)
				kill(child, number);
			sent += 100;
		} else {
			struct timespec nap = { .tv_nsec = 200000 };
			nanosleep(&nap, NULL);
		}
		now = seconds(CLOCK_MONOTONIC);
	}
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"signals\":%lu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", sent, now - start, cpu);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
