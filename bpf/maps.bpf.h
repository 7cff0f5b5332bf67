// SPDX-License-Identifier: GPL-2.0-only
/* What the programs share with userspace: the ring, its counters, and the read-only configuration. */
#pragma once

#include "events.h"
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024); /* the loader may change it before load */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Stamps a record. It takes a sequence number even if it is about to be lost. */
static __always_inline void record_begin(struct record_header *header, u16 kind)
{
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	header->kind = kind;
	header->cpu = bpf_get_smp_processor_id();
	header->sequence = 0;
	if (c) {
		header->sequence = c->sequence;
		__sync_fetch_and_add(&c->sequence, 1);
	}
	header->ktime_ns = bpf_ktime_get_ns();
}

/* Sends it, or counts it as lost where the ring is full. */
static __always_inline int record_send(struct record_header *header, u32 kind, u64 size, u64 flags)
{
	u32 zero = 0;
	struct counters *c;

	header->size = size;
	if (!bpf_ringbuf_output(&ring, header, size, flags))
		return 0;
	c = bpf_map_lookup_elem(&counters, &zero);
	if (c && kind < RECORD_KINDS)
		__sync_fetch_and_add(&c->lost[kind], 1);
	return 0;
}
