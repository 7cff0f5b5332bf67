/* Causes memory pressure in one cgroup only: it moves into a memory cgroup with a limit, and there reads a file or
 * touches anonymous memory that is larger than the limit, repeatedly. Tests and benchmarks of pressure use it.
 *
 * At the end it prints, as JSON, how many pages it touched and how long it took. It exits with code 2 if it refuses
 * to run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define MAX_THREADS 64

enum { EXIT_REFUSED = 2 };

static const char help[] =
	"usage: thrash --cgroup DIR --seconds N (--file BYTES | --anon BYTES) [options]\n"
	"\n"
	"Sizes take K, M or G. Anonymous memory beyond the limit needs swap, or the kernel kills.\n"
	"\n"
	"  --cgroup DIR     the memory cgroup's directory: it, or the one above it, must have a limit (memory.high will do)\n"
	"  --seconds N      run time in seconds\n"
	"  --file BYTES     read a file of this size, page by page, over and over\n"
	"  --sparse         a file of holes: no disk is read\n"
	"  --dir DIR        directory of that file (/var/tmp), which is unlinked at once\n"
	"  --anon BYTES     write to anonymous memory of this size, page by page, over and over\n"
	"  --random         visit the pages in random order\n"
	"  --threads N      number of threads (1)\n"
	"  --work PAGES     pages between two pauses (all)\n"
	"  --pause US       how long a pause is, in microseconds (0)\n";

static struct {
	const char *group, *dir;
	size_t file, anon, work;
	double seconds;
	long pause_us;
	int threads;
	bool random, sparse;
} options = { .dir = "/var/tmp", .threads = 1 };

static int file = -1;
static char *memory;
static size_t pages;
static atomic_ulong touched;
static double end;

__attribute__((noreturn)) static void refuse(const char *what, const char *why)
{
	fprintf(stderr, "thrash: %s: %s\n", what, why);
	exit(EXIT_REFUSED);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static size_t size_of(const char *text)
{
	char *unit;
	double value = strtod(text, &unit);
	size_t scale = *unit == 'G' ? 1 << 30 : *unit == 'M' ? 1 << 20 : *unit == 'K' ? 1 << 10 : 1;
	if (unit == text || value <= 0)
		refuse(text, "expected a size such as 64M");
	return value * scale;
}

/* True when one of the limit files of the group contains a limit. */
static bool limited(const char *dir)
{
	static const char *const files[] = { "memory.max", "memory.high", "memory.limit_in_bytes" };
	for (size_t i = 0; i < 3; i++) {
		char path[PATH_MAX], text[64] = "";
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n > 0 && text[0] >= '0' && text[0] <= '9' && strtoull(text, NULL, 10) < 1ULL << 50)
			return true;
	}
	return false;
}

static void join_group(void)
{
	char path[PATH_MAX], above[PATH_MAX];
	snprintf(above, sizeof(above), "%s/..", options.group);
	if (!limited(options.group) && !limited(above))
		refuse(options.group, "neither it nor the group above it has a limit");
	snprintf(path, sizeof(path), "%s/cgroup.procs", options.group);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		refuse(path, strerror(errno));
	close(fd);
}

static void make_file(void)
{
	char path[PATH_MAX];
	static char block[1 << 20];
	snprintf(path, sizeof(path), "%s/thrash-XXXXXX", options.dir);
	file = mkstemp(path);
	if (file < 0)
		refuse(path, strerror(errno));
	unlink(path);
	if (options.sparse) {
		if (ftruncate(file, options.file))
			refuse(path, strerror(errno));
		return;
	}
	memset(block, 'x', sizeof(block));
	for (size_t done = 0; done < options.file; done += sizeof(block)) {
		if (write(file, block, sizeof(block)) != sizeof(block))
			refuse(options.dir, strerror(errno));
	}
	fsync(file); /* clean pages are dropped without I/O */
}

static void *thrash(void *argument)
{
	unsigned long seed = 88172645463325252UL + (size_t)argument;
	size_t at = pages / options.threads * (size_t)argument, since_pause = 0;
	char byte;

	while (now() < end) {
		for (int i = 0; i < 64; i++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			at = (options.random ? seed : at + 1) % pages;
			if (memory)
				memory[at * PAGE] = i;
			else if (pread(file, &byte, 1, at * PAGE) != 1)
				break;
		}
		atomic_fetch_add(&touched, 64);
		since_pause += 64;
		if (options.pause_us && since_pause >= options.work) {
			since_pause = 0;
			usleep(options.pause_us);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "cgroup", 1, 0, 'c' }, { "seconds", 1, 0, 's' }, { "file", 1, 0, 'f' }, { "dir", 1, 0, 'd' },
		{ "anon", 1, 0, 'a' }, { "random", 0, 0, 'r' }, { "sparse", 0, 0, 'S' },
		{ "threads", 1, 0, 't' }, { "work", 1, 0, 'w' },
		{ "pause", 1, 0, 'p' }, { "help", 0, 0, 'h' }, { 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (o) {
		case 'c': options.group = optarg; break;
		case 's': options.seconds = strtod(optarg, NULL); break;
		case 'f': options.file = size_of(optarg); break;
		case 'd': options.dir = optarg; break;
		case 'a': options.anon = size_of(optarg); break;
		case 'S': options.sparse = true; break;
		case 'r': options.random = true; break;
		case 't': options.threads = atoi(optarg); break;
		case 'w': options.work = strtoul(optarg, NULL, 10); break;
		case 'p': options.pause_us = strtol(optarg, NULL, 10); break;
		case 'h': fputs(help, stdout); return 0;
		default: return EXIT_REFUSED;
		}
	}
	if (!options.group || options.seconds <= 0 || !options.file == !options.anon || options.threads < 1 ||
	    options.threads > MAX_THREADS)
		refuse("options", "see --help");
	join_group();
	pages = (options.file + options.anon) / PAGE;
	if (options.file) {
		make_file();
		posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM); /* reads page by page, without read-ahead */
	} else {
		memory = mmap(NULL, options.anon, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			refuse("mmap", strerror(errno));
		madvise(memory, options.anon, MADV_NOHUGEPAGE);
	}
	double begin = now();
	end = begin + options.seconds;
	pthread_t threads[MAX_THREADS];
	for (int i = 0; i < options.threads; i++)
		pthread_create(&threads[i], NULL, thrash, (void *)(size_t)i);
	for (int i = 0; i < options.threads; i++)
		pthread_join(threads[i], NULL);
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	printf("{\"pages\":%lu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", atomic_load(&touched), now() - begin, cpu);
	return 0;
}
