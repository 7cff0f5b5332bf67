// SPDX-License-Identifier: GPL-2.0-only
/* Stalls of single tasks: when each begins, what causes it, and how long it lasts. */
#pragma once

#include "groups.bpf.h"
#include <bpf/bpf_tracing.h>

#define NEVER (~0ULL)
#define WATCHED 512 /* size of watched[]: a power of two */
#define STACK_DEPTH 32
#define LOOK_DEPTH 16 /* stack frames that are searched for a cause: a power of two */

const volatile u64 stall_min_ns = NEVER; /* send stalls that last at least this long; 0: each stall, when it begins */
const volatile u64 stall_room = 0;    /* bytes of the ring for stalls; the rest is for levels, which must not be lost */
const volatile bool exact = false;    /* psi_memstall_enter() and psi_memstall_leave() are hooked */
const volatile bool psi_runs = false; /* the kernel maintains task_struct.in_memstall */
const volatile bool want_stack = false;

const volatile struct stack_range ranges[STACK_RANGES] = {}; /* from /proc/kallsyms */

struct stall {
	u64 begin_ns;
	u64 key; /* key of the task's group */
	u64 task;
	u32 cpu; /* the CPU whose slots count this stall */
	s32 stack_id;
	u8 cause;
	u8 from_switch; /* the stall began when the task went to sleep, and ends when the task runs again */
	u8 sent;        /* a record of this stall, still unfinished, was sent */
	u8 depth;       /* nesting depth of the stalls inside this one */
	u32 tid;
	u32 counted; /* the slots count this stall; another program may see the stall before, by preempting this one */
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u32); /* tid */
	__type(value, struct stall);
} stalls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1); /* the loader sets a larger size if the user wants stacks */
	__uint(key_size, sizeof(u32));
	__uint(value_size, STACK_DEPTH * sizeof(u64));
} stacks SEC(".maps");

/* Open stalls that are sent as soon as they last stall_min_ns. Indexed by tid modulo WATCHED. If two stalls need the
 * same element, the later one is sent only when it ends. */
struct {
	u64 begin_ns;
	u32 tid;
	u32 reserved;
} watched[WATCHED] = {};

u64 last_stall_ns = 0; /* when any stall began or ended */

/* State of the timer in tick.bpf.h: not armed, armed for the next tick, armed for CALM_TICK_NS. */
enum { TICKING_NOT, TICKING, TICKING_CALM };
u32 ticking = TICKING_NOT;

static __always_inline bool in_memstall(struct task_struct *task)
{
	return bpf_core_field_exists(task->in_memstall) && BPF_CORE_READ_BITFIELD_PROBED(task, in_memstall);
}

static __always_inline void read_task(struct stalled_task *to, struct task_struct *task, u64 key)
{
	struct cgroup_subsys_state *css = (void *)key;

	to->tid = BPF_CORE_READ(task, pid);
	to->pid = BPF_CORE_READ(task, tgid);
	to->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	to->cgroup_id = css_id(key == SYSTEM_KEY ? (void *)root_css : css);
	BPF_CORE_READ_STR_INTO(&to->comm, task, comm);
}

static __always_inline void send_stall(const struct stall *s, u64 now, bool finished)
{
	struct pressure_stall_record r = {};

	read_task(&r.task, (void *)s->task, s->key);
	if (r.task.tid != s->tid)
		return; /* the task has just exited */
	r.begin_ktime_ns = s->begin_ns;
	r.stall_ns = now - s->begin_ns;
	r.cause = s->cause;
	r.finished = finished;
	r.stack_id = s->stack_id;
	record_begin(&r.header, RECORD_PRESSURE_STALL);
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= stall_room)
		count_lost(RECORD_PRESSURE_STALL);
	else
		record_send(&r.header, RECORD_PRESSURE_STALL, sizeof(r), 0);
}

/* A stall of the current task begins. cause 0: not known yet. Returns 0 if a stall of this task is already open, or the
 * map of stalls is full. */
__noinline int stall_begin(u32 cause, u32 from_switch, s64 stack_id)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct task_struct *task = (void *)bpf_get_current_task();
	struct stall *open = bpf_map_lookup_elem(&stalls, &tid);

	if (open) {
		if (open->cause == CAUSE_OTHER)
			open->cause = cause;
		if (!from_switch)
			open->depth++;
		return 0;
	}
	struct stall s = { .begin_ns = now,
			   .key = key_of(task),
			   .task = (u64)task,
			   .cpu = bpf_get_smp_processor_id(),
			   .stack_id = stack_id,
			   .cause = cause,
			   .from_switch = from_switch,
			   .tid = tid };
	if (bpf_map_update_elem(&stalls, &tid, &s, BPF_NOEXIST)) {
		count_full(FULL_MAP_STALL_TASK);
		return 0;
	}
	if (!hot_any)
		hot_any = 1;
	last_stall_ns = now;
	if (ticking == TICKING_CALM)
		ticking = TICKING_NOT; /* so that the next hook arms the timer for the next tick */
	change_groups(s.key, CHANGE(s.cpu, 1, RUNNING_STALLED), now, 0);
	open = bpf_map_lookup_elem(&stalls, &tid);
	if (open)
		open->counted = 1;
	if (stall_min_ns == 0) {
		send_stall(&s, now, false);
	} else if (stall_min_ns != NEVER && !watched[tid % WATCHED].begin_ns) {
		watched[tid % WATCHED].tid = tid;
		watched[tid % WATCHED].begin_ns = now;
	}
	return 1;
}

/* Longer than the time between the tracepoint that begins a reclaim and the flag that the kernel sets after it. */
#define SETTLED_NS 1000000ULL

/* The task's stall ends. */
__noinline int stall_end(u32 tid, u32 cause, u64 now)
{
	struct stall *open = bpf_map_lookup_elem(&stalls, &tid);

	if (!open)
		return 0;
	struct stall s = *open;
	if (s.cause == CAUSE_OTHER)
		s.cause = cause;
	bpf_map_delete_elem(&stalls, &tid);
	last_stall_ns = now;
	u64 lasted = now > s.begin_ns ? now - s.begin_ns : 1;
	change_groups(s.key, CHANGE(s.cpu, -1, RUNNING_PRODUCTIVE) | (s.cause & 0xff), now, lasted);
	if (watched[tid % WATCHED].tid == tid)
		watched[tid % WATCHED].begin_ns = 0;
	if (stall_min_ns != NEVER && (lasted >= stall_min_ns || s.sent))
		send_stall(&s, now, true);
	return 0;
}

/* The task's flags say that it is in no stall. If a stall of the task is still open, its end was missed: ends it. */
static __always_inline void stall_forget(u32 tid, u64 now)
{
	struct stall *open = bpf_map_lookup_elem(&stalls, &tid);

	if (open && open->counted && now > open->begin_ns + SETTLED_NS)
		stall_end(tid, 0, now);
}

/* Sends an open stall that has lasted stall_min_ns. */
__noinline int stall_lasts(u32 tid, u64 now)
{
	struct stall *open = bpf_map_lookup_elem(&stalls, &tid);

	/* The watched stall may have ended just now, and the open stall may be the task's next one. */
	if (!open || open->sent || now < open->begin_ns + stall_min_ns)
		return 0;
	open->sent = 1;
	struct stall s = *open;
	send_stall(&s, now, false);
	return 0;
}

static __always_inline void watch(u64 now)
{
	if (stall_min_ns == 0 || stall_min_ns == NEVER)
		return;
	for (int i = 0; i < WATCHED; i++) {
		u64 begin = watched[i].begin_ns;
		if (begin && now - begin >= stall_min_ns) {
			watched[i].begin_ns = 0;
			stall_lasts(watched[i].tid, now);
		}
	}
}

/* The frames are in a map, because the BPF stack is too small. */
struct frames {
	u64 address[LOOK_DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct frames);
} frames SEC(".maps");

__noinline u32 cause_of_function(u64 address)
{
	for (u32 r = 0; r < STACK_RANGES; r++) {
		if (address >= ranges[r].from && address < ranges[r].to)
			return ranges[r].cause;
	}
	return CAUSE_OTHER;
}

__noinline u32 cause_of_frames(void)
{
	u32 zero = 0, cause = CAUSE_OTHER;
	struct frames *f = bpf_map_lookup_elem(&frames, &zero);

	if (!f)
		return cause;
	for (u32 i = 0; i < LOOK_DEPTH; i++) {
		u64 address = f->address[i];
		if (!address)
			break;
		u32 found = cause_of_function(address);
		if (found == CAUSE_REFAULT)
			cause = found; /* a swap-in waits in the same function: continue with the callers, which tell */
		else if (found)
			return found;
	}
	return cause;
}

/* Returns the cause of a stall that no tracepoint reported, from the functions on the current task's stack. */
static __always_inline u32 cause_of_stack(void *ctx)
{
	u32 zero = 0;
	struct frames *f = bpf_map_lookup_elem(&frames, &zero);

	if (!f || !ranges[0].to)
		return CAUSE_OTHER;
	long bytes = bpf_get_stack(ctx, f->address, sizeof(f->address), 0);
	if (bytes >= 0 && (u64)bytes < sizeof(f->address))
		f->address[bytes / sizeof(u64) & (LOOK_DEPTH - 1)] = 0; /* later elements are from an earlier call */
	return bytes > 0 ? cause_of_frames() : CAUSE_OTHER;
}

/* Returns the cause of a reclaim in a memory cgroup: CAUSE_MEMCG_LIMIT if the task's cgroup or an ancestor is at its
 * limit (*limit_id: the nearest such cgroup), else CAUSE_MEMCG_HIGH if one is above memory.high. */
static __always_inline u32 memcg_cause(u64 *limit_id)
{
	struct mem_cgroup *memcg = task_memcg((void *)bpf_get_current_task());
	u32 cause = CAUSE_MEMCG_LIMIT;
	bool found = false;

	for (int i = 0; i < GROUP_DEPTH && memcg; i++) {
		if (counter_is_full(&memcg->memory)) {
			*limit_id = memcg_id(memcg);
			return CAUSE_MEMCG_LIMIT;
		}
		if (!found &&
		    (s64)BPF_CORE_READ(memcg, memory.usage.counter) > (s64)BPF_CORE_READ(memcg, memory.high)) {
			found = true;
			cause = CAUSE_MEMCG_HIGH;
		}
		memcg = memcg_parent(memcg);
	}
	return cause;
}
