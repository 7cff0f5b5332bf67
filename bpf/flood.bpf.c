// SPDX-License-Identifier: GPL-2.0-only
/* Sends synthetic records to the tracer's ring, for tests of the loss counters and for benchmarks. This program is not
 * in the npm package. The loader makes it use the tracer's maps. */
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define PER_RUN 512

/* Sends PER_RUN records for each BPF_PROG_TEST_RUN. The program is never attached. */
SEC("raw_tp/flood") int flood(void *ctx)
{
	for (int i = 0; i < PER_RUN; i++) {
		struct synthetic_record r = {};
		record_begin(&r.header, RECORD_SYNTHETIC);
		r.number = r.header.sequence;
		record_send(&r.header, RECORD_SYNTHETIC, sizeof(r), 0);
	}
	return PER_RUN;
}
