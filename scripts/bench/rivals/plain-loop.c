/* plain-loop OBJECT [CPU]: reads a ring with the shortest possible libbpf loop. With CPU it runs on all other CPUs, without CPU
 * on any. For each marked victim it prints: pid, ktime of the mark, ktime of the read, CPU of the victim, CPU of the
 * reader. */
#define _GNU_SOURCE
#include "keep-off.h"
#include "now.h"
#include "plain.h"
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

static int on_mark(void *unused, void *data, size_t size)
{
	uint64_t now = now_ns();
	const struct mark *m = data;

	(void)unused;
	(void)size;
	printf("%u %llu %llu %u %d\n", m->pid, (unsigned long long)m->ktime_ns, (unsigned long long)now, m->cpu, sched_getcpu());
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct ring_buffer *ring;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || !(object = bpf_object__open(argv[1])) || bpf_object__load(object))
		return 1;
	if (argc > 2)
		keep_off(atoi(argv[2]));
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), on_mark, NULL, NULL);
	if (!ring || !bpf_program__attach(bpf_object__find_program_by_name(object, "mark")))
		return 1;
	puts("ready");
	for (;;) {
		int count = ring_buffer__poll(ring, -1);
		if (count < 0 && count != -EINTR) /* a pause interrupts it */
			return 1;
	}
}
