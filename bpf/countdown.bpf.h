// SPDX-License-Identifier: GPL-2.0-only
/* How close the kernel is to calling its OOM killer: consecutive reclaims that free nothing. */
#pragma once

#include "stalls.bpf.h"
#include "streak.bpf.h"

/* A round is one reclaim that freed nothing. The first count that is reported; 0: no countdown is sent. */
const volatile u32 countdown_from = 0;

/* A group at its limit may start to count and recover hundreds of times in a row, in any of its tasks. Within this time
 * the group's next countdown is sent only if it has more rounds than the last one that was sent. */
#define COUNTDOWN_AGAIN_NS 1000000000ULL

struct countdown {
	u64 since_ns;
	u32 rounds; /* of the last countdown that was sent */
	u32 unsent; /* never reset: userspace takes differences, which stay right when two tasks race */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, COUNTDOWNS);
	__type(key, u64); /* id of the cgroup at its limit, 0: the system */
	__type(value, struct countdown);
} countdowns SEC(".maps");

/* Returns whether to send this countdown, and counts it as unsent otherwise. *unsent: how many countdowns of this limit
 * were not sent so far; set only if this countdown is to be sent. */
static __always_inline bool countdown_is_news(u64 limit_id, u32 rounds, u32 *unsent)
{
	u64 now = bpf_ktime_get_ns();
	struct countdown first = { .since_ns = now, .rounds = rounds };
	struct countdown *last = bpf_map_lookup_elem(&countdowns, &limit_id);

	*unsent = 0;
	if (!last) {
		bpf_map_update_elem(&countdowns, &limit_id, &first, BPF_NOEXIST);
		return true;
	}
	if (rounds <= last->rounds && now < last->since_ns + COUNTDOWN_AGAIN_NS) {
		__sync_fetch_and_add(&last->unsent, 1);
		return false;
	}
	last->since_ns = now;
	last->rounds = rounds;
	*unsent = last->unsent;
	return true;
}

__noinline int send_countdown(u32 rounds, u64 limit_id)
{
	struct pressure_countdown_record r = { .fruitless_rounds = rounds, .limit_id = limit_id };
	struct task_struct *task = (void *)bpf_get_current_task();

	/* Sends at rounds 1, 2, 4, at every round from 8 to 16 (MAX_RECLAIM_RETRIES), and at 32. After 16 the kernel is
	 * already calling its OOM killer. */
	if (rounds < countdown_from || rounds > 2 * MAX_RECLAIM_RETRIES)
		return 0;
	if ((rounds & (rounds - 1)) && (rounds < MAX_RECLAIM_RETRIES / 2 || rounds > MAX_RECLAIM_RETRIES))
		return 0;
	if (!countdown_is_news(limit_id, rounds, &r.unsent))
		return 0;
	read_task(&r.task, task, key_of(task));
	record_begin(&r.header, RECORD_PRESSURE_COUNTDOWN);
	return record_send(&r.header, RECORD_PRESSURE_COUNTDOWN, sizeof(r), BPF_RB_FORCE_WAKEUP);
}

/* now: 0 if the caller has not read the clock. Returns now. */
static __always_inline u64 memcg_round(unsigned long reclaimed, u64 now)
{
	u64 limit_id = 0;

	if (!countdown_from || (reclaimed && !last_fruitless_ns))
		return now;
	if (!reclaimed && memcg_cause(&limit_id) != CAUSE_MEMCG_LIMIT)
		return now; /* reclaim because of memory.high never leads to an OOM kill */
	u32 rounds = streak_count(reclaimed, now ?: bpf_ktime_get_ns());
	if (rounds)
		send_countdown(rounds, limit_id);
	return now;
}

/* should_reclaim_retry() calls the tracepoint once for every zone that it checks. */
static __always_inline void zone_round(int loops)
{
	u32 rounds = loops;
	struct streak *streak = countdown_from ? streak_get(true) : NULL;

	if (!streak || streak->rounds == rounds)
		return;
	streak->rounds = rounds;
	if (rounds)
		send_countdown(rounds, 0);
}
