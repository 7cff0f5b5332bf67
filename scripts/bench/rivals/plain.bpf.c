// SPDX-License-Identifier: GPL-2.0-only
/* Sends the smallest possible record of an OOM kill: time and process. Benchmarks compare oomscope's program with it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "plain.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} ring SEC(".maps");

SEC("tp_btf/mark_victim") int mark(void *ctx)
{
	struct mark m = {
		.ktime_ns = bpf_ktime_get_ns(),
		.pid = bpf_get_current_pid_tgid() >> 32, /* in the benchmark the victim is the only process of its cgroup, so the current task is the victim */
		.cpu = bpf_get_smp_processor_id(),
	};
	bpf_ringbuf_output(&ring, &m, sizeof(m), 0);
	return 0;
}
