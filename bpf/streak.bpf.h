// SPDX-License-Identifier: GPL-2.0-only
/* Counts a task's streak: its consecutive reclaims that free nothing. After MAX_RECLAIM_RETRIES of them the kernel
 * calls its OOM killer. */
#pragma once

#include "kernel.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define STREAK_NS 1000000000ULL /* reclaims further apart than this do not belong to one allocation */

struct streak {
	u64 last_ns; /* when the last reclaim that freed nothing ended */
	u32 rounds;
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, struct streak);
} streaks SEC(".maps");

u64 last_fruitless_ns = 0; /* when a reclaim of any task last freed nothing */

/* Returns the streak of the current task. */
static __always_inline struct streak *streak_get(bool create)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct streak *streak = bpf_map_lookup_elem(&streaks, &tid);

	if (!streak && create) {
		struct streak fresh = {};
		bpf_map_update_elem(&streaks, &tid, &fresh, BPF_ANY);
		streak = bpf_map_lookup_elem(&streaks, &tid);
	}
	return streak;
}

static __always_inline void streak_end(void)
{
	struct streak *streak = streak_get(false);

	if (streak)
		streak->rounds = 0;
}

/* Counts a reclaim that the current task has finished. Returns how many reclaims in a row have freed nothing, 0: this
 * one freed something. */
static __always_inline u32 streak_count(unsigned long reclaimed, u64 now)
{
	struct streak *streak;

	if (reclaimed) {
		/* If no task had a streak lately, there is none to end. So most reclaims, which free something, cost no
		 * map lookup. */
		if (now - last_fruitless_ns < STREAK_NS)
			streak_end();
		return 0;
	}
	last_fruitless_ns = now;
	streak = streak_get(true);
	if (!streak)
		return 0;
	streak->rounds = now - streak->last_ns < STREAK_NS ? streak->rounds + 1 : 1;
	streak->last_ns = now;
	return streak->rounds;
}
