// SPDX-License-Identifier: GPL-2.0-only
/* Reports tasks that are stuck at the limit of their cgroup, or are about to cause a kill there: userspace sees which of
 * the two from what follows. */
#pragma once

#include "compat.bpf.h"
#include "victim.bpf.h"

#define FIRST_ATTEMPT_NS 100000000ULL  /* between two first attempts of tasks of one cgroup */
#define NEXT_ATTEMPT_NS 400000000ULL  /* between two later attempts, of which a stuck task makes thousands a second */
#define ATTEMPT_DEPTH 256 /* levels of cgroups that are searched for the one at its limit */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);   /* id of the cgroup at its limit */
	__type(value, u64); /* when an attempt there was last sent */
} attempts SEC(".maps");

/* Whether a cgroup is at its limit. v1: also at the limit of its counter `swap`, which on cgroup v1 counts memory and
 * swap together. Global, so that the verifier checks it once, not once for each level. */
__noinline int memcg_is_full(u64 address, u32 v1)
{
	struct mem_cgroup *memcg = (void *)address;

	return counter_is_full(&memcg->memory) || (v1 && counter_is_full(&memcg->swap));
}

/* Returns the innermost of LEVELS_AT_ONCE cgroups, from this one upwards, that is at its limit, 0: none. */
__noinline u64 full_near(u64 memcg, u32 v1)
{
	for (int i = 0; i < LEVELS_AT_ONCE && memcg; i++) {
		if (memcg_is_full(memcg, v1))
			return memcg;
		memcg = memcg_above(memcg);
	}
	return 0;
}

/* Returns the innermost cgroup of the current task that is at its limit, 0: none. */
__noinline u64 full_memcg(void)
{
	struct mem_cgroup *first = task_memcg((void *)bpf_get_current_task());
	u32 v1 = first && BPF_CORE_READ(first, css.cgroup, root, hierarchy_id);
	u64 memcg = (u64)first;

	for (int i = 0; i < ATTEMPT_DEPTH / LEVELS_AT_ONCE && memcg; i++) {
		u64 full = full_near(memcg, v1);
		if (full)
			return full;
		memcg = memcg_far_above(memcg);
	}
	return 0;
}

/* rounds: how many reclaims of the current task in a row have freed nothing */
__noinline int send_attempt(u32 rounds, u64 now)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	struct mem_cgroup *memcg = (void *)full_memcg();
	u64 ids = bpf_get_current_pid_tgid();
	struct oom_attempt_record r = { .fruitless_rounds = rounds };

	if (!memcg)
		return 0;
	r.limit_id = memcg_id(memcg);
	u64 *last = bpf_map_lookup_elem(&attempts, &r.limit_id);
	if (last && now - *last < (rounds == MAX_RECLAIM_RETRIES ? FIRST_ATTEMPT_NS : NEXT_ATTEMPT_NS))
		return 0;
	bpf_map_update_elem(&attempts, &r.limit_id, &now, BPF_ANY);
	r.trigger_tid = (u32)ids;
	r.trigger_pid = ids >> 32;
	r.trigger_start_ns = BPF_CORE_READ(current, group_leader, start_boottime);
	BPF_CORE_READ_STR_INTO(&r.trigger_comm, current, comm);
	r.usage_pages = BPF_CORE_READ(memcg, memory.usage.counter);
	r.limit_pages = BPF_CORE_READ(memcg, memory.max);
	if (bpf_core_field_exists(memcg->oom_kill_disable))
		bpf_core_read(&r.oom_kill_disable, 1, &memcg->oom_kill_disable);
	if (bpf_core_enum_value_exists(enum memcg_memory_event, MEMCG_OOM)) {
		u64 events = (u64)memcg + bpf_core_field_offset(memcg->memory_events);
		u64 index = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM);
		r.ooms_known = !bpf_probe_read_kernel(&r.ooms, sizeof(r.ooms), (void *)(events + index * sizeof(u64)));
	}
	record_begin(&r.header, RECORD_OOM_ATTEMPT);
	return record_send(&r.header, RECORD_OOM_ATTEMPT, sizeof(r), 0);
}
