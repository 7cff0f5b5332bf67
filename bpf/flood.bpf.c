// SPDX-License-Identifier: GPL-2.0-only
/* Synthetic records on the tracer's ring, for tests of the loss counters and for benchmarks. Not part of the package.
 * The loader replaces the maps by the tracer's. */
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define PER_RUN 512

/* Run with BPF_PROG_TEST_RUN, and never attached: sends PER_RUN records. */
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
