/* Keeps a reader off the CPU of the victims. Needs _GNU_SOURCE. */
#pragma once

#include <sched.h>
#include <stdlib.h>

static inline void keep_off(int cpu)
{
	cpu_set_t cpus;
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		exit(1);
	CPU_CLR(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		exit(1);
}
