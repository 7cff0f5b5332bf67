/* The workloads in a guest while a killer is measured: leaking processes, and innocent processes beside them.
 *
 *   load leak RATE [deaf]      touch RATE MiB a second (0: as fast as possible); deaf: ignore SIGTERM
 *   load leave MIB RATE        a leak that stops when only MIB is available, and goes on when there is more
 *   load hold MIB              touch MIB, print "ready", and use all of it about every two seconds
 *   load read MIB FILE         make a file of MIB, print "ready", and read it at random places through a mapping
 *   load storm COUNT MIB MS    every MS milliseconds start an orphan process that touches MIB and keeps it
 *
 * Half of every page is random data, so that zram stores about half a page, as for the memory of usual programs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
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
#define MIB (1 << 20)
#define NOISE (1 << 16)

static uint8_t noise[NOISE];
static uint64_t state = 88172645463325252;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *map(size_t bytes, int protection, int flags, int fd)
{
	void *start = mmap(NULL, bytes, protection, flags, fd, 0);
	if (start == MAP_FAILED)
		fail("mmap");
	return start;
}

static void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static char *touch(size_t bytes)
{
	char *start = map(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	for (size_t at = 0; at < bytes; at += PAGE)
		memcpy(start + at, noise + next() % (NOISE - PAGE / 2), PAGE / 2);
	return start;
}

static long available_mib(void)
{
	char text[256] = "";
	int fd = open("/proc/meminfo", O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		fail("/proc/meminfo");
	close(fd);
	const char *at = strstr(text, "MemAvailable:");
	return at ? atol(at + strlen("MemAvailable:")) / 1024 : 0;
}

/* Memory is taken in steps of a quarter MiB, so that a slow leak grows evenly. */
static void leak(long rate, long leave)
{
	double begin = seconds();
	for (long quarters = 0;; quarters++) {
		while (leave && available_mib() <= leave) {
			pause_ms(20);
			begin += 0.02;
		}
		double ahead = rate ? quarters / 4.0 / rate - (seconds() - begin) : 0;
		if (ahead > 0)
			pause_ms(ahead * 1000 + 1);
		touch(MIB / 4);
	}
}

static void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void hold(long mib)
{
	size_t bytes = mib * (size_t)MIB;
	char *start = touch(bytes);
	say_ready();
	for (;;) {
		for (size_t at = 0; at < bytes; at += PAGE) {
			((volatile char *)start)[at]++;
			if (at % MIB == 0)
				pause_ms(2000 / mib + 1);
		}
	}
}

static void read_file(long mib, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		fail(path);
	for (long i = 0; i < mib * (MIB / NOISE); i++)
		if (write(fd, noise, NOISE) != NOISE)
			fail(path);
	fsync(fd);
	volatile char *start = map(mib * (size_t)MIB, PROT_READ, MAP_SHARED, fd);
	madvise((void *)start, mib * (size_t)MIB, MADV_RANDOM);
	say_ready();
	for (;;)
		(void)start[next() % (mib * (uint64_t)MIB)];
}

/* Orphans, not children of this process: they stay when it exits. */
static void storm(long count, long mib, long ms)
{
	for (long i = 0; i < count; i++) {
		pid_t child = fork();
		if (child == 0) {
			if (fork() > 0)
				_exit(0);
			touch(mib * (size_t)MIB);
			for (;;)
				pause();
		}
		if (child > 0)
			waitpid(child, NULL, 0);
		pause_ms(ms);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *kind = argc > 2 ? argv[1] : "";
	long number = argc > 2 ? atol(argv[2]) : 0;
	char name[32];
	snprintf(name, sizeof(name), "%s", kind);
	prctl(PR_SET_NAME, name);
	for (size_t i = 0; i < NOISE; i += 8)
		memcpy(noise + i, &(uint64_t){ next() }, 8);
	if (argc == 4 && strcmp(argv[3], "deaf") == 0)
		signal(SIGTERM, SIG_IGN);
	if (strcmp(kind, "leak") == 0)
		leak(number, 0);
	if (strcmp(kind, "leave") == 0 && argc == 4)
		leak(atol(argv[3]), number);
	if (strcmp(kind, "hold") == 0)
		hold(number);
	if (strcmp(kind, "read") == 0 && argc == 4)
		read_file(number, argv[3]);
	if (strcmp(kind, "storm") == 0 && argc == 5)
		storm(number, atol(argv[3]), atol(argv[4]));
	fputs("usage: load leak|leave|hold|read|storm ...: see scripts/bench/rescue/load.c\n", stderr);
	return 2;
}
