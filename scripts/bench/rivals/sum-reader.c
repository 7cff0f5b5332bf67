/* sum-reader OBJECT: makes the ring and counters of bpf/flood.bpf.c, and reads them with a plain libbpf loop that sums
 * one field. It prints the ids of the maps and its own pid. For each line on stdin it prints the number of records
 * read and the sum. */
#define _GNU_SOURCE
#include "events.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

static uint64_t count, sum;

static int on_record(void *unused, void *data, size_t size)
{
	const struct synthetic_record *r = data;
	(void)unused;
	(void)size;
	count++;
	sum += r->number;
	return 0;
}

static unsigned id_of(int fd)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);
	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct ring_buffer *ring;
	char text[256];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || !(object = bpf_object__open(argv[1])) || bpf_object__load(object))
		return 1;
	int ring_fd = bpf_object__find_map_fd_by_name(object, "ring");
	ring = ring_buffer__new(ring_fd, on_record, NULL, NULL);
	if (!ring)
		return 1;
	printf("maps %u %u\n", id_of(ring_fd), id_of(bpf_object__find_map_fd_by_name(object, "counters")));
	struct pollfd sources[] = { { .fd = ring_buffer__epoll_fd(ring), .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	while (poll(sources, 2, -1) >= 0) {
		if (sources[0].revents)
			ring_buffer__consume(ring);
		if (!sources[1].revents)
			continue;
		if (read(0, text, sizeof(text)) <= 0)
			return 0;
		ring_buffer__consume(ring);
		printf("read %llu %llu\n", (unsigned long long)count, (unsigned long long)sum);
	}
	return 0;
}
