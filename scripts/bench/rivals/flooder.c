/* flooder OBJECT RING COUNTERS: runs bpf/flood.bpf.c on the maps of another process, given by id. For each line on stdin,
 * "SECONDS RATE", floods the ring for this time at this rate (records per second; 0: as fast as possible; -1: only
 * while the ring is less than half full, that is, as fast as the reader reads), then prints: flood, produced, lost,
 * nanoseconds. */
#define _GNU_SOURCE
#include "events.h"
#include "now.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PER_RUN 512 /* bpf/flood.bpf.c */

static int counters_fd;

/* Only the synthetic records: the tracer's ring has those of real kills, too. */
static uint64_t lost_so_far(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct counters values[cpus];
	__u32 key = 0;
	uint64_t lost = 0;

	if (bpf_map_lookup_elem(counters_fd, &key, values))
		exit(1);
	for (int i = 0; i < cpus; i++)
		lost += values[i].lost[RECORD_SYNTHETIC];
	return lost;
}

int main(int argc, char **argv)
{
	char line[64];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	int ring_fd = bpf_map_get_fd_by_id((__u32)atoi(argv[2]));
	counters_fd = bpf_map_get_fd_by_id((__u32)atoi(argv[3]));
	struct bpf_object *object = bpf_object__open(argv[1]);
	if (!object || bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "ring"), ring_fd) ||
	    bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "counters"), counters_fd) || bpf_object__load(object))
		return 1;
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "flood"));
	const volatile unsigned long *consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, ring_fd, 0);
	const volatile unsigned long *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, ring_fd, (off_t)page);
	unsigned long half = bpf_map__max_entries(bpf_object__find_map_by_name(object, "ring")) / 2;
	if (consumer == MAP_FAILED || producer == MAP_FAILED)
		return 1;
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		double seconds, rate;
		uint64_t runs = 0, start;
		if (sscanf(line, "%lf %lf", &seconds, &rate) != 2)
			return 2;
		uint64_t lost_before = lost_so_far();
		uint64_t end = (start = now_ns()) + (uint64_t)(seconds * 1e9);
		for (uint64_t now = start; now < end; now = now_ns()) {
			if (rate < 0 && *producer - *consumer > half)
				continue;
			if (rate > 0 && (double)(runs * PER_RUN) > (double)(now - start) / 1e9 * rate)
				continue; /* does not sleep, because a sleep that is too long would be followed by a burst */
			LIBBPF_OPTS(bpf_test_run_opts, options);
			if (bpf_prog_test_run_opts(program, &options))
				return 1;
			runs++;
		}
		uint64_t took = now_ns() - start;
		printf("flood %llu %llu %llu\n", (unsigned long long)(runs * PER_RUN),
		       (unsigned long long)(lost_so_far() - lost_before), (unsigned long long)took);
	}
	return 0;
}
