// SPDX-License-Identifier: GPL-2.0-only
/* Synthetic stalls, a great many: all of bpf/pressure.bpf.c with one program more. For tests of loss accounting. Never part
 * of the package. */
#include "pressure.bpf.c"

#define PER_RUN 256

/* Run by BPF_PROG_TEST_RUN, PER_RUN stalls of the calling task one after another; attached to nothing. */
SEC("raw_tp/flood") int stall_flood(void *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	for (int i = 0; i < PER_RUN; i++) {
		stall_begin(CAUSE_OTHER, 0, -1);
		stall_end(tid, CAUSE_MEMCG_LIMIT, bpf_ktime_get_ns());
	}
	return PER_RUN;
}
