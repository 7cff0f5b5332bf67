// SPDX-License-Identifier: GPL-2.0-only
/* The maps that each object shares with userspace: the ring buffer, and counters of the records that it had no room
 * for. */
#pragma once

#include "events.h"
#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024); /* the loader sets another size before load */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Fills a record's header. Even a record that is lost afterwards takes a sequence number. */
static __always_inline void record_begin(struct record_header *header, enum record_kind kind)
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

static __always_inline void count_lost(enum record_kind kind)
{
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c)
		__sync_fetch_and_add(&c->lost[kind], 1);
}

/* Sends a record, or counts it as lost when the ring is full. `kind` is the same as header->kind, but a constant: the
 * verifier must know the index of the loss counter. */
static __always_inline int record_send(struct record_header *header, enum record_kind kind, u64 size, u64 flags)
{
	header->size = size;
	if (bpf_ringbuf_output(&ring, header, size, flags))
		count_lost(kind);
	return 0;
}
