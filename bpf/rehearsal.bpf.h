// SPDX-License-Identifier: GPL-2.0-only
/* Sends a rehearsal of a kill through the ring, so that the code that reads kills stays mapped, compiled and in the CPU's
 * caches while no process is killed. */
#pragma once

#include "maps.bpf.h"

/* Never attached: userspace runs it with BPF_PROG_RUN. Arguments: the address and the length of the invented records in
 * the caller's memory. Returns 0, or 1 when the ring has no room, which is not counted as a loss, or 2 when the memory
 * cannot be read. */
SEC("raw_tp/rehearse") int rehearse(struct bpf_raw_tracepoint_args *ctx)
{
	struct rehearsal_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	u64 length = ctx->args[1];

	if (!r)
		return 1;
	if (length > sizeof(r->records) || bpf_probe_read_user(r->records, length, (void *)ctx->args[0])) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		return 2;
	}
	r->header.kind = RECORD_REHEARSAL;
	r->header.size = sizeof(*r);
	r->header.cpu = bpf_get_smp_processor_id();
	r->header.sequence = 0; /* no number is used up: a gap would look like a lost record */
	r->header.ktime_ns = bpf_ktime_get_ns();
	r->length = length;
	r->reserved = 0;
	bpf_ringbuf_submit(r, BPF_RB_FORCE_WAKEUP);
	return 0;
}
