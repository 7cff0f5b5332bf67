// SPDX-License-Identifier: GPL-2.0-only
/* Runs tick() at a regular interval, which updates windows and levels: from a BPF timer on kernels that have one, and
 * from the other hooks on older kernels. While no group is under pressure, no tick runs. */
#pragma once

#include "levels.bpf.h"
#include "stalls.bpf.h"

const volatile bool use_timer = false; /* the kernel has bpf_timer (since 5.15) */
const volatile u64 tick_ns = 1000000;

#define CALM_NS 50000000ULL
#define CALM_TICK_NS 20000000ULL

u64 next_tick_ns = 0;
struct tick_cost {
	u64 runs, ns;
} tick_cost = {}; /* of the timer, which is no program whose time the kernel counts */
u32 timer_ready = 0;
u32 timer_fires = 0; /* 1: the timer has fired at least once, so it works */

struct timer_slot {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct timer_slot);
} tick_timer SEC(".maps");

/* The lock of tick(): the element exists while a tick runs. BPF programs on 5.10 have no other atomic test-and-set than
 * a map update that fails if the element exists. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} tick_lock SEC(".maps");

/* Evaluates the group in hot[i]. Returns whether it stays in the list. */
__noinline u32 tick_at(u64 i, u64 now)
{
	u64 key = i < HOT_GROUPS ? hot[i] : 0;

	if (!key)
		return 0;
	if (evaluate(key, now) == TICK_HOT)
		return 1;
	hot[i & (HOT_GROUPS - 1)] = 0;
	return 0;
}

/* Evaluates every hot group, and sends stalls that have become long. Returns whether any group is still hot. */
__noinline int tick(u64 now)
{
	u32 zero = 0, left = 0;

	if (bpf_map_update_elem(&tick_lock, &zero, &zero, BPF_NOEXIST))
		return 1;
	next_tick_ns = now + tick_ns;
	stalled_now = 0;
	for (u32 i = 0; i < HOT_GROUPS && i < hot_end; i++)
		left |= tick_at(i, now);
	if (stalled_now)
		watch(now);
	if (!left)
		hot_any = 0;
	bpf_map_delete_elem(&tick_lock, &zero);
	return left;
}

static int on_timer(void *map, u32 *key, struct timer_slot *slot)
{
	u64 now = bpf_ktime_get_ns();

	ticking = TICKING_NOT;
	timer_fires = 1;
	tick(now);
	tick_cost.runs++;
	tick_cost.ns += bpf_ktime_get_ns() - now;
	if (hot_any) {
		/* While no task stalls, levels can only fall, so a longer interval is enough. */
		bool quiet = now - stalled_ns > CALM_NS;
		ticking = quiet ? TICKING_CALM : TICKING;
		bpf_timer_start(&slot->timer, quiet ? CALM_TICK_NS : tick_ns, 0);
	}
	return 0;
}

/* Starts the timer. Only tracing programs may use a timer, and BPF_PROG_TEST_RUN cannot run them, so the loader
 * attaches this program for a moment when the pressure monitor is opened. */
SEC("tp_btf/sched_switch") int timer_setup(void *ctx)
{
	u32 zero = 0;
	struct timer_slot *slot = bpf_map_lookup_elem(&tick_timer, &zero);

	if (timer_ready || !slot)
		return 0;
	if (bpf_timer_init(&slot->timer, &tick_timer, 1 /* CLOCK_MONOTONIC */))
		return 0;
	bpf_timer_set_callback(&slot->timer, on_timer);
	bpf_timer_start(&slot->timer, 1, 0);
	timer_ready = 1;
	return 0;
}

/* Runs a tick for each BPF_PROG_TEST_RUN. Userspace calls it where there is no timer and perhaps no other hook runs. */
SEC("raw_tp/tick") int tick_by_hand(void *ctx)
{
	return hot_any ? tick(bpf_ktime_get_ns()) : 0;
}

/* Called by the hooks on kernels without a timer. now: 0 if the caller has not read the clock. */
static __always_inline void tick_if_due(u64 now)
{
	if (!hot_any)
		return;
	if (!now)
		now = bpf_ktime_get_ns();
	if (now >= next_tick_ns)
		tick(now);
}

/* Called when a stall begins, and at context switches while a group is hot. If the timer is long overdue, runs the tick
 * in its place. */
static __always_inline void keep_ticking(u64 now)
{
	u32 zero = 0;

	if (!hot_any)
		return;
	if (!use_timer || !timer_fires) {
		tick_if_due(now);
		return;
	}
	if (ticking) {
		if (now >= next_tick_ns + 2 * CALM_TICK_NS)
			tick(now);
		return;
	}
	struct timer_slot *slot = bpf_map_lookup_elem(&tick_timer, &zero);
	if (!slot)
		return;
	ticking = TICKING;
	if (bpf_timer_start(&slot->timer, tick_ns, 0))
		ticking = TICKING_NOT;
}
