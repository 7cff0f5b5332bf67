// SPDX-License-Identifier: GPL-2.0-only
/* Sends synthetic stalls, for tests of the loss counters: bpf/pressure.bpf.c with one more program. This object is not
 * in the npm package. */
#include "pressure.bpf.c"

#define PER_RUN 256

/* Makes PER_RUN consecutive stalls of the calling task for each BPF_PROG_TEST_RUN. The program is never attached. */
SEC("raw_tp/flood") int stall_flood(void *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	for (int i = 0; i < PER_RUN; i++) {
		stall_begin(CAUSE_OTHER, 0, -1, bpf_ktime_get_ns());
		stall_end(tid, CAUSE_MEMCG_LIMIT, bpf_ktime_get_ns());
	}
	return PER_RUN;
}
