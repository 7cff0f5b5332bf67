/* switches SECONDS: two threads wake each other through pipes and do no other work, so that there are only context switches.
 * Prints the number of switches as JSON, under the name "pages", as thrash does. */
#define _GNU_SOURCE
#include "now.h"
#include <stdio.h>
#include <sys/resource.h>
#include <stdlib.h>
#include <unistd.h>
#include <sched.h>

int main(int argc, char **argv)
{
	int there[2], back[2];
	char byte = 0;
	uint64_t begin = now_ns(), end = begin + (uint64_t)(atof(argc > 1 ? argv[1] : "1") * 1e9), trips = 0;
	cpu_set_t cpus;

	/* Both threads run on one CPU, so each round trip is two switches. */
	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	if (pipe(there) || pipe(back))
		return 1;
	if (fork() == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	for (; now_ns() < end; trips++) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			return 1;
	}
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	printf("{\"pages\":%lu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", (unsigned long)trips * 2, (now_ns() - begin) / 1e9,
	       used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	return 0;
}
