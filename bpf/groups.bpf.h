// SPDX-License-Identifier: GPL-2.0-only
/* Stall times of groups. A group is a cgroup with its descendants, or the whole system. The arithmetic is PSI's
 * (kernel/sched/psi.c), but on the hierarchy of the memory controller, which may be cgroup v1, and it runs only while
 * a task is stalled.
 *
 * A group has one slot for each CPU. A slot's `some` time passes while a task that last ran on this CPU is stalled; its
 * `full` time passes while, in addition, no other task of the group runs on this CPU. Only the slot's own CPU changes
 * it, except when a stalled task migrates. For this case the count of stalled tasks is atomic; the times may be wrong
 * by the nanoseconds between two loads. */
#pragma once

#include "compat.bpf.h"
#include "pressure.h"

#define GROUP_DEPTH 16 /* a stall counts for at most this many groups: its cgroup, the nearest ancestors, the system */
#define HOT_GROUPS 128 /* a power of two */
#define HEAT_AGAIN_NS 10000000ULL

/* The loader sets the size of the values, which have one slot for each possible CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__uint(key_size, sizeof(u64)); /* SYSTEM_KEY or the address of a css */
	__uint(value_size, sizeof(struct pressure_group) + sizeof(struct pressure_slot));
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(struct pressure_group) + sizeof(struct pressure_slot));
} blank SEC(".maps");

/* The keys of hot groups: groups with a recent stall, which every tick evaluates. While there is none, each hook
 * returns after one or two loads. */
u64 hot[HOT_GROUPS] = {};
u32 hot_end = 0; /* index after the last key in hot[] */
u32 hot_any = 0;
u32 heated_groups = 0; /* changes when a group is put on the list */
u64 root_css = 0;   /* css of the root cgroup, whose tasks count for the system only; 0: not known yet */
u64 system_psi = 0; /* address of the kernel's psi_system; 0: not known yet */

static __always_inline void count_full(enum full_map map)
{
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c)
		__sync_fetch_and_add(&c->full_maps[map], 1);
}

static __always_inline struct pressure_slot *slot_of(struct pressure_group *g, u64 cpu)
{
	barrier_var(cpu);
	return cpu < possible_cpus ? (void *)g + sizeof(*g) + cpu * sizeof(struct pressure_slot) : NULL;
}

static __always_inline u64 css_id(struct cgroup_subsys_state *css)
{
	return BPF_CORE_READ(css, cgroup, kn, id);
}

/* Returns the key of a task's group: the address of its memory cgroup's css, or SYSTEM_KEY. */
static __always_inline u64 key_of(struct task_struct *task)
{
	struct mem_cgroup *memcg = task_memcg(task);
	u64 css = memcg ? (u64)memcg + bpf_core_field_offset(struct mem_cgroup, css) : 0;

	return css && css != root_css ? css : SYSTEM_KEY;
}

/* Sends the name of a cgroup. The record is filled in the ring, not on the stack: the verifier adds the stacks of all
 * callers, and this call is the deepest. */
static __always_inline void send_group(struct cgroup_subsys_state *css, u64 id, u64 parent_id)
{
	struct record_header header;
	struct pressure_group_record *r;

	record_begin(&header, RECORD_PRESSURE_GROUP);
	r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		count_lost(RECORD_PRESSURE_GROUP);
		return;
	}
	header.size = sizeof(*r);
	r->header = header;
	r->id = id;
	r->parent_id = parent_id;
	long n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), BPF_CORE_READ(css, cgroup, kn, name));
	r->name_length = n > 0 ? n - 1 : 0;
	bpf_ringbuf_submit(r, 0);
}

/* Returns when PSI ended its last period; 0: unknown (cgroup v1, or before 6.1). PSI weighs each CPU by how busy it was
 * in a period of some 2 s. When a task moves between CPUs, the result depends on where a period ends. To get the same
 * result as PSI, the periods here end when PSI's do. */
static __always_inline u64 psi_closed(struct pressure_group *g, u64 key)
{
	struct psi_group *psi = (void *)(key == SYSTEM_KEY ? system_psi : g->psi);

	return psi && bpf_core_field_exists(psi->avg_last_update) ? BPF_CORE_READ(psi, avg_last_update) : 0;
}

static __always_inline void find_psi(struct pressure_group *g, struct cgroup_subsys_state *css, bool top)
{
	struct cgroup *cgroup = NULL;
	struct psi_group *psi = NULL;

	if (!bpf_core_field_exists(psi->parent) || !bpf_core_field_exists(cgroup->psi))
		return;
	psi = BPF_CORE_READ(css, cgroup, psi);
	g->psi = (u64)psi;
	if (psi && top)
		system_psi = (u64)BPF_CORE_READ(psi, parent);
}

/* Returns the new group's key: SYSTEM_KEY for the root cgroup. 0: the map is full. */
__noinline u64 group_create(u64 key)
{
	struct cgroup_subsys_state *css = (void *)key, *parent, *above;
	struct pressure_group *g;
	u32 zero = 0;

	g = bpf_map_lookup_elem(&blank, &zero);
	if (!g)
		return 0;
	if (key == SYSTEM_KEY)
		return (s32)bpf_map_update_elem(&groups, &key, g, BPF_NOEXIST) == -E2BIG ? 0 : key;
	parent = BPF_CORE_READ(css, parent);
	if (!parent) {
		root_css = key;
		return SYSTEM_KEY;
	}
	above = BPF_CORE_READ(parent, parent);
	long error = bpf_map_update_elem(&groups, &key, g, BPF_NOEXIST);
	g = bpf_map_lookup_elem(&groups, &key);
	if (!g)
		return 0;
	if (error)
		return key; /* another CPU has created it */
	g->id = css_id(css);
	g->parent_key = above ? (u64)parent : SYSTEM_KEY;
	find_psi(g, css, !above);
	send_group(css, g->id, above ? css_id(parent) : 0);
	return key;
}

/* Puts the group on the list of hot groups, which every tick evaluates. Which tasks run now is unknown, because cold
 * groups do not follow context switches: a CPU counts as running none until its next switch. */
__noinline int group_heat(u64 key, u64 now)
{
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);
	bool listed = false;

	if (!g)
		return 0;
	for (int i = 0; i < HOT_GROUPS; i++) {
		if (hot[i] == key)
			listed = true;
	}
	for (u32 i = 0; i < HOT_GROUPS && !listed; i++) {
		if (!hot[i]) {
			hot[i] = key;
			listed = true;
			if (hot_end <= i)
				hot_end = i + 1;
		}
	}
	if (!g->last_stall_ns)
		g->last_stall_ns = now;
	if (!listed) {
		g->heat_after_ns = now + HEAT_AGAIN_NS; /* the list is full; the group's totals still grow */
		return 0;
	}
	g->tick_ktime_ns = now;
	g->last_stall_ns = now;
	if (g->hot)
		return 0;
	for (u64 cpu = 0; cpu < MAX_CPUS; cpu++) {
		struct pressure_slot *s = slot_of(g, cpu);
		if (!s)
			break;
		s->since_ns = now;
		if (!s->stalled)
			s->running = RUNNING_NONE;
	}
	g->coarse_ktime_ns = now;
	g->psi_closed_ns = psi_closed(g, key);
	for (int w = 0; w < PRESSURE_WINDOWS; w++) {
		for (int i = 0; i < PRESSURE_SAMPLES; i++)
			g->past[w].samples[i].ktime_ns = 0;
	}
	g->hot = 1;
	heated_groups++;
	return 0;
}

static __always_inline void slot_change(struct pressure_slot *s, s32 stalled, u32 running, u64 now)
{
	u64 since = s->since_ns;

	/* A program that preempted this one may have changed the slot later than `now`. */
	if (now > since) {
		if (s->stalled) {
			s->some_ns += now - since;
			if (s->running != RUNNING_PRODUCTIVE)
				s->full_ns += now - since;
		}
		if (s->stalled || s->running)
			s->busy_ns += now - since;
		s->since_ns = now;
	}
	if (stalled > 0 || (stalled < 0 && s->stalled))
		__sync_fetch_and_add(&s->stalled, stalled);
	if (running != RUNNING_AS_BEFORE)
		s->running = running;
}

/* What a CPU runs, as the slots of hot groups count it. Only programs on this CPU use it. */
struct cpu_runs {
	u64 key;     /* key of the running task's group, 0: the CPU is idle */
	u64 css;     /* see typed_key() */
	u32 running; /* enum slot_running; RUNNING_AS_BEFORE: unknown, so the next context switch sets the slots */
	u32 heated;  /* heated_groups when the slots were set */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_runs);
} cpu_runs SEC(".maps");

static __always_inline struct cpu_runs *this_cpu_runs(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_runs, &zero);
}

/* A change on one CPU. stalled: -1, 0 or 1 is added to its stalled tasks. running: what runs there now, as an enum
 * slot_running. */
#define CHANGE(cpu, stalled, running) ((u64)(cpu) << 32 | (u64)((stalled) + 1) << 16 | (running) << 8)
#define BUT_SYSTEM (1ULL << 24) /* the system's group does not change */

/* Applies a change to a group. Returns the key of its parent, 0: it has none, or the change ends here. A group that does
 * not exist yet is created, except when its last task leaves the CPU: the group may have been removed. This function is
 * global, so that the verifier checks it once, not once for each level. */
__noinline u64 change_group(u64 key, u64 change, u64 now, u64 ended_ns)
{
	u64 cpu = change >> 32, running = change >> 8 & 0xff, cause = change & 0xff;
	s32 stalled = (s32)(change >> 16 & 0xff) - 1;
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);

	if (!g) {
		u64 found = !stalled && running == RUNNING_NONE ? SYSTEM_KEY : group_create(key);
		if (!found && stalled > 0)
			count_full(FULL_MAP_STALL_GROUP);
		key = found ?: SYSTEM_KEY;
		if (key == SYSTEM_KEY && (change & BUT_SYSTEM))
			return 0;
		g = bpf_map_lookup_elem(&groups, &key);
		if (!g)
			return 0;
	}
	if (stalled > 0 && (g->hot ? now - g->tick_ktime_ns > 1000000000ULL : now >= g->heat_after_ns))
		group_heat(key, now);
	struct pressure_slot *s = stalled || g->hot ? slot_of(g, cpu) : NULL;
	if (s) {
		slot_change(s, stalled, running, now);
		if (ended_ns) {
			__sync_fetch_and_add(&s->stalls, 1);
			__sync_fetch_and_add(&s->stall_ns[cause & (CAUSE_SLOTS - 1)], ended_ns);
		}
	}
	return g->parent_key;
}

/* Applies a change to a group and all its ancestors. change: CHANGE(), with the cause in its low byte if a stall ended.
 * ended_ns: how long that stall lasted, 0: no stall ended. */
__noinline int change_groups(u64 key, u64 change, u64 now, u64 ended_ns)
{
	for (int i = 0; i < GROUP_DEPTH && key; i++) {
		if (i == GROUP_DEPTH - 1)
			key = SYSTEM_KEY;
		if (key == SYSTEM_KEY && (change & BUT_SYSTEM))
			return 0;
		key = change_group(key, change, now, ended_ns);
	}
	return 0;
}

/* From now on this CPU runs a task of the group `key` (0: it is idle). The caller then changes that group; if this CPU
 * ran a task of another group before, that group changes here. */
static __always_inline void runs_now(struct cpu_runs *runs, u64 key, u32 cpu, u64 now)
{
	u64 before = runs->key;

	runs->key = key;
	if (before && before != key)
		change_groups(before, CHANGE(cpu, 0, RUNNING_NONE) | (key ? BUT_SYSTEM : 0), now, 0);
}
