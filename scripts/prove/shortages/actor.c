/* The processes of a shortage: innocent ones that hold memory in the ways that mislead killers, and eaters that run the
 * memory out. Each prints "ready" when it holds its memory.
 *
 *   actor [--cgroup DIR] KIND NUMBER... [FLAG...]
 *
 *   anon MIB RATE       touches MIB of memory at RATE MiB a second (0: at once), and then goes on using all of it
 *   share COUNT MIB     COUNT processes use the same MIB of shared memory
 *   cache MIB FILE      makes a file of MIB, and reads it again and again
 *   tmpfs MIB RATE FILE writes MIB into a file of a tmpfs at RATE MiB a second
 *   forks MIB LIFE MS   keeps MIB, and calls fork(2) every MS milliseconds; each child lives for LIFE milliseconds
 *   storm COUNT MIB MS  starts a process that keeps MIB every MS milliseconds
 *
 *   deaf                ignores SIGTERM
 *   leader              the main thread exits before another thread takes the memory
 *   shm                 takes shared memory, which no other process uses
 *   name=NAME           the name of the process
 *
 * --cgroup: moves itself into this memory cgroup, which must have a limit. Without it the program runs only in a guest of
 * the kernel lab, where no other system is affected. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define MIB ((size_t)1 << 20)
#define NO_LIMIT (1ULL << 62) /* cgroup v1 has LONG_MAX, rounded down to whole pages */

static long number[3];
static const char *file;
static bool deaf, leader, shm;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void pause_ms(double ms)
{
	struct timespec time = { ms / 1000, (long)(ms * 1e6) % 1000000000 };
	nanosleep(&time, NULL);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void say_ready(void)
{
	if (write(1, "ready\n", 6) != 6)
		_exit(1);
}

static unsigned long long read_number(const char *dir, const char *name)
{
	char path[512], text[64] = "";
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NO_LIMIT;
	ssize_t length = read(fd, text, sizeof(text) - 1);
	close(fd);
	return length <= 0 || text[0] == 'm' ? NO_LIMIT : strtoull(text, NULL, 10);
}

static void enter(const char *dir)
{
	char path[512];
	if (read_number(dir, "memory.max") >= NO_LIMIT && read_number(dir, "memory.limit_in_bytes") >= NO_LIMIT) {
		fprintf(stderr, "actor: expected a memory cgroup with a limit, got %s\n", dir);
		exit(2);
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	FILE *procs = fopen(path, "we");
	if (!procs || fprintf(procs, "%d", getpid()) < 0 || fclose(procs))
		fail(path);
}

/* Sleeps until `mib` are due. */
static void keep_rate(double begin, double mib, long rate)
{
	double ahead = rate ? mib / rate - (seconds() - begin) : 0;
	if (ahead > 0)
		pause_ms(ahead * 1000 + 1);
}

static char *take(size_t bytes, bool shared)
{
	int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE;
	char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (start == MAP_FAILED)
		fail("mmap");
	return start;
}

static void touch(char *start, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE)
		((volatile char *)start)[at]++;
}

/* In steps of a quarter MiB, so that slow growth is even. */
static void *anon(void *unused)
{
	(void)unused;
	size_t bytes = number[0] * MIB, step = MIB / 4;
	char *start = take(bytes, shm);
	double begin = seconds();
	for (size_t at = 0; at < bytes; at += step) {
		keep_rate(begin, (double)at / MIB, number[1]);
		touch(start + at, step);
	}
	say_ready();
	for (;;)
		for (size_t at = 0; at < bytes; at += MIB) {
			touch(start + at, MIB);
			pause_ms(2000.0 / number[0] + 1);
		}
	return NULL;
}

static void run_anon(void)
{
	pthread_t thread;
	if (!leader)
		anon(NULL);
	if ((errno = pthread_create(&thread, NULL, anon, NULL)))
		fail("pthread_create");
	pthread_exit(NULL);
}

static void share(void)
{
	size_t bytes = number[1] * MIB;
	char *start = take(bytes, true);
	for (long i = 1; i < number[0]; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			touch(start, bytes);
			for (;;)
				pause();
		}
	touch(start, bytes);
	pause_ms(500);
	say_ready();
	for (;;) { /* ends when one of the children has ended */
		if (waitpid(-1, NULL, 0) > 0)
			_exit(9);
	}
}

static int fill(size_t mib, long rate)
{
	static char data[MIB / 4];
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(file);
	memset(data, 7, sizeof(data));
	double begin = seconds();
	for (size_t quarters = 0; quarters < 4 * mib; quarters++) {
		keep_rate(begin, quarters / 4.0, rate);
		if (write(fd, data, sizeof(data)) != sizeof(data))
			fail(file);
	}
	return fd;
}

static void cache(void)
{
	static char data[MIB / 4];
	int fd = fill(number[0], 0);
	fsync(fd);
	for (long round = 0;; round++) {
		if (lseek(fd, 0, SEEK_SET))
			fail(file);
		while (read(fd, data, sizeof(data)) > 0)
			;
		if (round == 1)
			say_ready();
		pause_ms(round > 1 ? 50 : 1);
	}
}

static void forks(void)
{
	size_t bytes = number[0] * MIB;
	touch(take(bytes, false), bytes);
	say_ready();
	for (;;) { /* ends when a signal has ended one of the children */
		int status;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prctl(PR_SET_NAME, "forked");
			pause_ms(number[1]);
			_exit(0);
		}
		pause_ms(number[2]);
		while (waitpid(-1, &status, WNOHANG) > 0)
			if (WIFSIGNALED(status))
				_exit(9);
	}
}

static void storm(void)
{
	for (long i = 0; i < number[0]; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			char *start = take(number[1] * MIB, false);
			touch(start, number[1] * MIB);
			for (;;)
				pause();
		}
		pause_ms(number[2]);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *kind = NULL, *name = NULL, *group = NULL;
	int numbers = 0;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		if (!strcmp(word, "--cgroup") && i + 1 < argc) group = argv[++i];
		else if (!kind) kind = word;
		else if (word[0] >= '0' && word[0] <= '9' && numbers < 3) number[numbers++] = atol(word);
		else if (word[0] == '/') file = word;
		else if (!strcmp(word, "deaf")) deaf = true;
		else if (!strcmp(word, "leader")) leader = true;
		else if (!strcmp(word, "shm")) shm = true;
		else if (!strncmp(word, "name=", 5)) name = word + 5;
		else return fprintf(stderr, "actor: unknown word %s: see scripts/prove/shortages/actor.c\n", word), 2;
	}
	if (group)
		enter(group);
	else if (access("/lab/settings", F_OK))
		return fputs("actor: expected --cgroup with a memory cgroup: this is no guest of the kernel lab\n", stderr), 2;
	/* Its parent may be spared by the kernel. */
	int adj = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (adj < 0 || write(adj, "0", 1) != 1)
		fail("oom_score_adj");
	close(adj);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name ? name : kind ? kind : "actor");
	if (deaf)
		signal(SIGTERM, SIG_IGN);
	if (kind && !strcmp(kind, "anon") && numbers == 2)
		run_anon();
	if (kind && !strcmp(kind, "share") && numbers == 2)
		share();
	if (kind && !strcmp(kind, "cache") && numbers == 1 && file)
		cache();
	if (kind && !strcmp(kind, "tmpfs") && numbers == 2 && file) {
		fill(number[0], number[1]);
		say_ready();
		for (;;)
			pause();
	}
	if (kind && !strcmp(kind, "forks") && numbers == 3)
		forks();
	if (kind && !strcmp(kind, "storm") && numbers == 3)
		storm();
	fputs("usage: actor [--cgroup DIR] anon|share|cache|tmpfs|forks|storm ...: see scripts/prove/shortages/actor.c\n", stderr);
	return 2;
}
