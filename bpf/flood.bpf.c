// SPDX-License-Identifier: GPL-2.0-only
/* A synthetic flood on the same ring: for tests of loss accounting and for benchmarks. Never part of the tracer. Its
 * maps are replaced by the tracer's before load. */
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define PER_RUN 512

/* Run by BPF_PROG_TEST_RUN, PER_RUN records at a time; attached to nothing. */
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
