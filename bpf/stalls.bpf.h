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

/* A task's stall. The element stays in the map after the stall, for the task's next one, until the task exits: to add
 * and delete an element takes longer than the rest of the work for a stall. */
struct stall {
	u64 begin_ns; /* 0: the task is not stalled */
	u64 key;      /* key of the task's group */
	u64 task;
	u32 cpu; /* the CPU whose slots count this stall */
	s32 stack_id;
	u8 cause;
	u8 from_switch; /* the stall began when the task went to sleep, and ends when the task runs again */
	u8 sent;        /* a record of this stall, still unfinished, was sent */
	u8 depth;       /* nesting depth of the stalls inside this one */
	u32 tid;
	u32 watched; /* index in watched[] */
	u32 leaving; /* the task exits: the element must not stay */
};

#define STALLS 4096
#define STALLS_KEPT (STALLS / 2) /* with more elements than this, those of ended stalls are deleted */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STALLS);
	__type(key, u32); /* tid */
	__type(value, struct stall);
} stalls SEC(".maps");

s64 stall_elements = 0; /* number of elements in `stalls` */

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1); /* the loader sets a larger size if the user wants stacks */
	__uint(key_size, sizeof(u32));
	__uint(value_size, STACK_DEPTH * sizeof(u64));
} stacks SEC(".maps");

/* Open stalls that are sent as soon as they last stall_min_ns. Each CPU has a part of the array (16 parts at most), and a
 * stall uses the element tid modulo the part's length, so that two CPUs seldom write the same cache line. If two stalls
 * need the same element, the later one is sent only when it ends. */
struct {
	u64 begin_ns;
	u32 tid;
	u32 reserved;
} watched[WATCHED] = {};

/* State of the timer in tick.bpf.h: not armed, armed for the next tick, armed for CALM_TICK_NS. */
enum { TICKING_NOT, TICKING, TICKING_CALM };
u32 ticking = TICKING_NOT;

static __always_inline u32 watched_index(u32 cpu, u32 tid)
{
	u32 bits = possible_cpus <= 2 ? 8 : possible_cpus <= 4 ? 7 : possible_cpus <= 8 ? 6 : 5;

	return (cpu << bits | (tid & ((1 << bits) - 1))) % WATCHED;
}

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

static __always_inline void send_stall(const struct stall *s, u64 begin, u64 now, bool finished)
{
	struct pressure_stall_record r = {};

	read_task(&r.task, (void *)s->task, s->key);
	if (r.task.tid != s->tid)
		return; /* the task has just exited */
	r.begin_ktime_ns = begin;
	r.stall_ns = now - begin;
	r.cause = s->cause;
	r.finished = finished;
	r.stack_id = s->stack_id;
	record_begin(&r.header, RECORD_PRESSURE_STALL);
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= stall_room)
		count_lost(RECORD_PRESSURE_STALL);
	else
		record_send(&r.header, RECORD_PRESSURE_STALL, sizeof(r), 0);
}

/* Deletes the element of a task that is not stalled. */
static __always_inline void stall_drop(u32 tid)
{
	if (!bpf_map_delete_elem(&stalls, &tid))
		__sync_fetch_and_add(&stall_elements, -1);
}

/* The task's stall ends. */
__noinline int stall_end(u32 tid, u32 cause, u64 now)
{
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	struct cpu_runs *runs = this_cpu_runs();

	if (!s || !s->begin_ns || !runs)
		return 0;
	u64 begin = s->begin_ns, lasted = now > begin ? now - begin : 1;
	u32 cpu = s->cpu, running = RUNNING_AS_BEFORE;
	if (s->cause != CAUSE_OTHER)
		cause = s->cause;
	s->begin_ns = 0;
	barrier();
	if (cpu == bpf_get_smp_processor_id()) {
		running = RUNNING_PRODUCTIVE;
		runs_now(runs, s->key, cpu, now);
	}
	change_groups(s->key, CHANGE(cpu, -1, running) | (cause & 0xff), now, lasted);
	runs->running = RUNNING_AS_BEFORE;
	u32 at = s->watched % WATCHED;
	if (watched[at].tid == tid)
		watched[at].begin_ns = 0;
	if (stall_min_ns != NEVER && (lasted >= stall_min_ns || s->sent)) {
		s->cause = cause;
		send_stall(s, begin, now, true);
	}
	if (s->leaving || stall_elements > STALLS_KEPT)
		stall_drop(tid);
	return 0;
}

/* Returns the element for a stall of a task that has none. NULL: the map is full. */
static __always_inline struct stall *stall_element(struct task_struct *task, u32 tid)
{
	struct stall blank = { .task = (u64)task, .tid = tid };

	blank.leaving = !!(BPF_CORE_READ(task, flags) & PF_EXITING);
	if (bpf_map_update_elem(&stalls, &tid, &blank, BPF_NOEXIST)) {
		count_full(FULL_MAP_STALL_TASK);
		return NULL;
	}
	__sync_fetch_and_add(&stall_elements, 1);
	return bpf_map_lookup_elem(&stalls, &tid);
}

/* A stall of the current task begins. cause 0: not known yet. Returns 0 if a stall of this task is already open, or the
 * map of stalls is full. */
__noinline int stall_begin(u32 cause, u32 from_switch, s64 stack_id, u64 now)
{
	u32 tid = (u32)bpf_get_current_pid_tgid(), cpu = bpf_get_smp_processor_id();
	struct task_struct *task = (void *)bpf_get_current_task();
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	struct cpu_runs *runs = this_cpu_runs();

	if (s && s->begin_ns && s->task != (u64)task) {
		/* Another thread had this tid, and the end of its stall was missed: execve(2) gives the calling thread
		 * the tid of the thread group's leader. (A call of stall_end() here needs too much stack for 5.10.) */
		u64 begin = s->begin_ns, change = CHANGE(s->cpu, -1, RUNNING_AS_BEFORE) | s->cause;
		s->begin_ns = 0;
		change_groups(s->key, change, now, now > begin ? now - begin : 1);
	}
	if (s && s->begin_ns) {
		if (s->cause == CAUSE_OTHER)
			s->cause = cause;
		if (!from_switch)
			s->depth++;
		return 0;
	}
	if (!s)
		s = stall_element(task, tid);
	if (!s || !runs)
		return 0;
	s->key = key_of(task);
	s->task = (u64)task;
	s->cpu = cpu;
	s->stack_id = stack_id;
	s->cause = cause;
	s->from_switch = from_switch;
	s->sent = 0;
	s->depth = 0;
	if (!hot_any)
		hot_any = 1;
	if (ticking == TICKING_CALM)
		ticking = TICKING_NOT; /* so that the next hook arms the timer for the next tick */
	runs_now(runs, s->key, cpu, now);
	change_groups(s->key, CHANGE(cpu, 1, RUNNING_STALLED), now, 0);
	runs->running = RUNNING_AS_BEFORE;
	/* From here on, a program that preempts this one may end the stall. */
	barrier();
	s->begin_ns = now;
	if (stall_min_ns == 0) {
		send_stall(s, now, now, false);
	} else if (stall_min_ns != NEVER) {
		u32 at = s->watched = watched_index(cpu, tid);
		if (!watched[at].begin_ns) {
			watched[at].tid = tid;
			watched[at].begin_ns = now;
		}
	}
	return 1;
}

/* Longer than the time between the tracepoint that begins a reclaim and the flag that the kernel sets after it. */
#define SETTLED_NS 1000000ULL

/* The task's flags say that it is in no stall. If a stall of the task is still open, its end was missed: ends it. */
static __always_inline void stall_forget(u32 tid, u64 now)
{
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);

	if (s && s->begin_ns && now > s->begin_ns + SETTLED_NS)
		stall_end(tid, 0, now);
}

/* Sends an open stall that has lasted stall_min_ns. */
__noinline int stall_lasts(u32 tid, u64 now)
{
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	u64 begin = s ? s->begin_ns : 0;

	/* The watched stall may have ended just now, and the open stall may be the task's next one. */
	if (!s || !begin || s->sent || now < begin + stall_min_ns)
		return 0;
	s->sent = 1;
	send_stall(s, begin, now, false);
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
	for (u32 r = 0; r < STACK_RANGES && ranges[r].to; r++) {
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
