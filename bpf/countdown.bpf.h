// SPDX-License-Identifier: GPL-2.0-only
/* How far the kernel is towards calling its OOM killer: rounds of reclaim in a row that gave nothing. */
#pragma once

#include "stalls.bpf.h"

const volatile u32 countdown_from = 0; /* rounds; 0: never told */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid */
	__type(value, u32); /* rounds in a row that reclaimed nothing */
} fruitless SEC(".maps");
u64 last_fruitless_ns = 0;

/* A group at its limit may come this far and be saved again, hundreds of times in a row, by any of its tasks. */
#define SAY_AGAIN_NS 1000000000ULL

struct said {
	u64 since_ns;
	u32 rounds; /* the most that was said since then */
	u32 unsaid; /* only grows: readers take differences, which no race between two tasks can falsify */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, COUNTDOWNS);
	__type(key, u64); /* id of the cgroup at its limit, 0: the system */
	__type(value, struct said);
} countdowns SEC(".maps");

/* Whether to say it: nothing as high was said of the group for a second. If not it is counted. */
static __always_inline bool worth_saying(u64 limit_id, u32 rounds, u32 *unsaid)
{
	u64 now = bpf_ktime_get_ns();
	struct said first = { .since_ns = now, .rounds = rounds };
	struct said *said = bpf_map_lookup_elem(&countdowns, &limit_id);

	*unsaid = 0;
	if (!said) {
		bpf_map_update_elem(&countdowns, &limit_id, &first, BPF_NOEXIST);
		return true;
	}
	if (rounds <= said->rounds && now < said->since_ns + SAY_AGAIN_NS) {
		__sync_fetch_and_add(&said->unsaid, 1);
		return false;
	}
	said->since_ns = now;
	said->rounds = rounds;
	*unsaid = said->unsaid;
	return true;
}

__noinline int send_countdown(u32 rounds, u64 limit_id)
{
	struct pressure_countdown_record r = { .fruitless_rounds = rounds, .limit_id = limit_id };
	struct task_struct *task = (void *)bpf_get_current_task();

	/* Powers of two, and every round when the end is near; past it the OOM killer is at work. */
	if (rounds < countdown_from || rounds > 2 * MAX_RECLAIM_RETRIES)
		return 0;
	if ((rounds & (rounds - 1)) && (rounds < MAX_RECLAIM_RETRIES / 2 || rounds > MAX_RECLAIM_RETRIES))
		return 0;
	if (!worth_saying(limit_id, rounds, &r.unsaid))
		return 0;
	read_task(&r.task, task, key_of(task));
	record_begin(&r.header, RECORD_PRESSURE_COUNTDOWN);
	return record_send(&r.header, RECORD_PRESSURE_COUNTDOWN, sizeof(r), BPF_RB_FORCE_WAKEUP);
}

__noinline int count_round(u64 reclaimed, u64 limit_id)
{
	u32 tid = (u32)bpf_get_current_pid_tgid(), one = 1;
	u64 now = bpf_ktime_get_ns();

	if (!countdown_from || (reclaimed && now - last_fruitless_ns > 1000000000ULL))
		return 0;
	if (reclaimed) {
		bpf_map_delete_elem(&fruitless, &tid);
		return 0;
	}
	last_fruitless_ns = now;
	u32 *rounds = bpf_map_lookup_elem(&fruitless, &tid);
	if (rounds)
		send_countdown(++*rounds, limit_id);
	else
		bpf_map_update_elem(&fruitless, &tid, &one, BPF_ANY);
	return 0;
}

static __always_inline void memcg_round(unsigned long reclaimed)
{
	u64 limit_id = 0;

	if (!countdown_from)
		return;
	if (!reclaimed && memcg_cause(&limit_id) != CAUSE_MEMCG_LIMIT)
		return; /* above memory.high nobody is killed */
	count_round(reclaimed, limit_id);
}

/* should_reclaim_retry(): once for every zone that is looked at. */
static __always_inline void zone_round(int loops)
{
	u32 tid = (u32)bpf_get_current_pid_tgid(), rounds = loops;

	if (!countdown_from)
		return;
	u32 *last = bpf_map_lookup_elem(&fruitless, &tid);
	if (last && *last == rounds)
		return;
	bpf_map_update_elem(&fruitless, &tid, &rounds, BPF_ANY);
	if (rounds)
		send_countdown(rounds, 0);
}
