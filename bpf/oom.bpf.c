// SPDX-License-Identifier: GPL-2.0-only
/* Reports OOM kills: the victim, the trigger (the task whose allocation made the kernel call its OOM killer), the limit
 * that was hit, and when the victim's memory was freed.
 *
 * The tracepoint oom:mark_victim alone does not mean a kill: mm/oom_kill.c calls it also for tasks that are already
 * exiting. And a kill does not always come with a mark: processes that share the victim's memory get SIGKILL only. So
 * these programs match SIGKILL with mark_victim. Both happen in the context of the trigger, under the kernel's
 * oom_lock. */
#include <asm/ptrace.h>
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"
#include "compat.bpf.h"
#include "streak.bpf.h"
#include "victim.bpf.h"
#include "candidates.bpf.h"
#include "attempt.bpf.h"
#include "rehearsal.bpf.h"
#include "tracepoint.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define EPISODE_NS 1000000000ULL /* marks by one trigger that are further apart than this belong to different OOMs */

/* What one trigger did recently. */
struct episode {
	u64 signalled; /* task_struct that got SIGKILL and has not been marked */
	u64 signal_ktime_ns;
	u64 mark_ktime_ns; /* when it last marked a victim */
	u64 marked_mm;
	u64 marked_leader;
	u64 oom_control;       /* of the current OOM, on the trigger's stack */
	u64 given_oom_control; /* argument of its last call of oom_kill_process() */
	u64 first_leader;      /* first victim of the current OOM */
	u32 reclaim_gfp;
	s32 reclaim_order;
	u32 reclaimed; /* 1: reclaim_gfp and reclaim_order are set */
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid of the trigger */
	__type(value, struct episode);
} episodes SEC(".maps");

/* A marked process whose memory has not been freed yet. The map has it under three keys: its pid, the marked thread's
 * tid, and the address of its mm_struct. */
struct victim {
	u64 mm;
	u64 limit_memcg;
	u64 limit_id;
	u32 pid;
	u32 tid;
	u32 steps; /* one bit for each enum oom_step that has happened */
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64); /* pid or tid, or the address of an mm_struct */
	__type(value, struct victim);
} victims SEC(".maps");

/* Number of victims in the map. While it is 0, the hooks on process exit return after one load. */
u64 followed = 0;

static __always_inline struct episode *episode_get(bool create)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct episode *e = bpf_map_lookup_elem(&episodes, &tid);
	if (!e && create) {
		struct episode fresh = {};
		bpf_map_update_elem(&episodes, &tid, &fresh, BPF_ANY);
		e = bpf_map_lookup_elem(&episodes, &tid);
	}
	return e;
}

static __always_inline void follow(struct oom_kill_record *r, u64 mm, u64 limit_memcg)
{
	struct victim v = { .mm = mm, .limit_memcg = limit_memcg, .pid = r->victim_pid, .tid = r->victim_tid };
	u64 key = v.pid;

	if (r->facts & FACT_LIMIT)
		v.limit_id = r->limit.id;
	if (bpf_map_update_elem(&victims, &key, &v, BPF_NOEXIST))
		return; /* followed already, or more than 4096 at once */
	__sync_fetch_and_add(&followed, 1);
	if (v.tid != v.pid) {
		key = v.tid;
		bpf_map_update_elem(&victims, &key, &v, BPF_ANY);
	}
	if (mm)
		bpf_map_update_elem(&victims, &mm, &v, BPF_ANY);
}

static __always_inline void unfollow(const struct victim *v)
{
	u64 pid = v->pid, tid = v->tid, mm = v->mm;
	if (tid != pid)
		bpf_map_delete_elem(&victims, &tid);
	if (mm)
		bpf_map_delete_elem(&victims, &mm);
	if (!bpf_map_delete_elem(&victims, &pid))
		__sync_fetch_and_add(&followed, -1);
}

/* ---- what the trigger wanted to allocate (mm/vmscan.c) ---- */

static __always_inline int on_reclaim(int order, u32 gfp)
{
	struct episode *e = episode_get(true);
	if (e) {
		e->reclaim_gfp = gfp;
		e->reclaim_order = order;
		e->reclaimed = 1;
		e->first_leader = 0; /* the task reclaims again, so its next mark belongs to another OOM */
		e->oom_control = 0;
	}
	return 0;
}

/* The tracepoints' arguments: (order, gfp) up to 6.19, (gfp, order, memcg) by 7.2. */
#define RECLAIM(name, tp)                                                    \
	TRACEPOINT(name##_2, tp, on_reclaim(order, gfp), int order, u32 gfp) \
	TRACEPOINT(name##_3, tp, on_reclaim(order, gfp), u32 gfp, int order)
RECLAIM(direct_reclaim, "mm_vmscan_direct_reclaim_begin")
RECLAIM(memcg_reclaim, "mm_vmscan_memcg_reclaim_begin")
RECLAIM(softlimit_reclaim, "mm_vmscan_memcg_softlimit_reclaim_begin")

/* A process at its cgroup's limit that allocates anonymous memory goes through some 35 reclaims that free nothing, in
 * 0.86 ms, before the kernel kills (at least MAX_RECLAIM_RETRIES). If userspace is woken after 3 of them, it is running
 * and has its code in the CPU's caches when the kill comes. While no kill follows, the interval between these records
 * doubles, up to IMMINENT_LATEST_NS: a cgroup that stays at its limit for hours must not use up a CPU. */
#define IMMINENT_ROUNDS 3
#define IMMINENT_SOONEST_NS 10000000ULL
#define IMMINENT_LATEST_NS 10000000000ULL

u64 last_imminent_ns = 0;
u64 imminent_interval_ns = IMMINENT_SOONEST_NS;

static __always_inline int on_reclaim_end(unsigned long reclaimed)
{
	u64 now = bpf_ktime_get_ns();
	u32 rounds = streak_count(reclaimed, now);

	if (rounds && rounds % MAX_RECLAIM_RETRIES == 0)
		send_attempt(rounds, now);
	if (rounds != IMMINENT_ROUNDS || now - last_imminent_ns < imminent_interval_ns)
		return 0;
	last_imminent_ns = now;
	if (imminent_interval_ns < IMMINENT_LATEST_NS)
		imminent_interval_ns *= 2;

	struct oom_imminent_record r = { .fruitless_rounds = rounds };
	r.trigger_tid = (u32)bpf_get_current_pid_tgid();
	record_begin(&r.header, RECORD_OOM_IMMINENT);
	return record_send(&r.header, RECORD_OOM_IMMINENT, sizeof(r), BPF_RB_FORCE_WAKEUP);
}

/* The tracepoints' arguments: nr_reclaimed; by 7.2 also the memcg. */
TRACEPOINT(direct_reclaim_end, "mm_vmscan_direct_reclaim_end", on_reclaim_end(reclaimed), unsigned long reclaimed)
TRACEPOINT(memcg_reclaim_end, "mm_vmscan_memcg_reclaim_end", on_reclaim_end(reclaimed), unsigned long reclaimed)

/* ---- the kill (mm/oom_kill.c: __oom_kill_process) ---- */

/* Set by the loader to true if oom_kill_process(), which gets the oom_control as an argument, cannot be hooked. */
const volatile bool search_stack = true;

static __always_inline bool chose(u64 oom_control, u64 task, u64 leader)
{
	struct oom_control *oc = (void *)oom_control;
	u64 chosen = (u64)BPF_CORE_READ(oc, chosen);

	return (chosen == task || chosen == leader) && is_oom_control(oom_control);
}

/* Set by report_kill(): an oom_candidates_record must follow. The kernel's oom_lock protects it, like the record. */
bool candidates_wanted = false;
u64 kill_limit = 0; /* the memcg of kill.limit */

/* Fills the header and the fields that do not depend on the victim. */
static __always_inline void kill_begin(struct episode *e, u32 tid, u8 kind)
{
	struct oom_kill_record *r = &kill;

	r->facts = 0;
	r->kill_kind = kind;
	r->constraint = 0;
	r->victim_namespaces = 0;
	r->signal_ktime_ns = e->signal_ktime_ns;
	r->exe_length = r->cmdline_length = 0;
	r->levels_length = 0;
	r->trigger_gfp = 0;
	r->trigger_order = 0;
	r->victim_tid = r->victim_pid = tid;
	record_begin(&r->header, RECORD_OOM_KILL);
	read_trigger();
	if (e->reclaimed) {
		r->facts |= FACT_RECLAIM;
		r->trigger_gfp = e->reclaim_gfp;
		r->trigger_order = e->reclaim_order;
	}
}

/* Returns the oom_control whose `chosen` is this process. 0: no oom_control is known, or the kernel chose
 * another process and also killed this one. */
static __always_inline u64 oom_control_of(struct episode *e, u64 stack, u64 task, u64 leader)
{
	if (task && e->given_oom_control && chose(e->given_oom_control, task, leader))
		return e->given_oom_control;
	return stack && task && search_stack ? find_oom_control(stack, task, leader, 0) : 0;
}

/* Records the mark in the trigger's episode. Returns the oom_control of the OOM to which the mark belongs. */
static __always_inline u64 episode_mark(struct episode *e, u64 stack, u64 task, u64 leader, u64 mm)
{
	struct oom_kill_record *r = &kill;
	bool same = e->first_leader && r->header.ktime_ns - e->mark_ktime_ns < EPISODE_NS;
	u64 oc = oom_control_of(e, stack, task, leader);

	if (same && (!oc || (oc == e->oom_control && leader == e->first_leader))) {
		oc = e->oom_control;
		if (r->kill_kind == KILL_KILLED)
			r->kill_kind = KILL_GROUP_MEMBER;
	} else {
		e->first_leader = leader;
		e->oom_control = oc;
	}
	e->mark_ktime_ns = r->header.ktime_ns;
	e->marked_mm = mm;
	e->marked_leader = leader;
	e->signalled = 0;
	e->signal_ktime_ns = 0;
	streak_end();
	imminent_interval_ns = IMMINENT_SOONEST_NS;
	return oc;
}

static __always_inline bool wants_candidates(const struct oom_kill_record *r, u64 limit)
{
	return r->kill_kind == KILL_KILLED && (r->facts & FACT_OOM_CONTROL) &&
	       (candidates_mode == CANDIDATES_ALWAYS || (candidates_mode == CANDIDATES_SYSTEM && !limit));
}

/* stack: the address on the trigger's stack from which to search for the oom_control, 0: do not search. task: the
 * victim, 0: only its tid is known. */
__noinline int report_kill(u64 stack, u64 task, u32 tid, u8 kind)
{
	struct oom_kill_record *r = &kill;
	struct task_struct *victim = (void *)task;
	struct episode *e = episode_get(true);
	u64 limit = 0, mm = 0, oc = 0, leader = 0;

	candidates_wanted = false;
	if (!e)
		return 0;
	kill_begin(e, tid, kind);
	if (task) {
		leader = (u64)BPF_CORE_READ(victim, group_leader);
		mm = read_victim(task);
	}
	oc = kind == KILL_SHARED_MEMORY ? e->oom_control : episode_mark(e, stack, task, leader, mm);
	limit = kill_limit = read_domain(oc);
	if (task)
		read_levels(task, limit);
	if (kind != KILL_SHARED_MEMORY)
		follow(r, mm, limit);

	u64 size = offsetof(struct oom_kill_record, levels) + r->levels_length;
	if (size > sizeof(*r))
		size = sizeof(*r);
	candidates_wanted = wants_candidates(r, limit);
	if (candidates_wanted)
		r->facts |= FACT_CANDIDATES;
	return record_send(&r->header, RECORD_OOM_KILL, size, BPF_RB_FORCE_WAKEUP);
}

static __always_inline int on_mark(u64 stack, u64 task)
{
	struct task_struct *marked = (void *)task;
	struct episode *e = episode_get(true);
	struct task_struct *signalled = e ? (void *)e->signalled : NULL;
	bool killed =
		signalled && (signalled == marked || BPF_CORE_READ(signalled, tgid) == BPF_CORE_READ(marked, tgid));

	if (e && !killed)
		e->signal_ktime_ns = 0;
	report_kill(stack, task, BPF_CORE_READ(marked, pid), killed ? KILL_KILLED : KILL_ALREADY_DYING);
	if (candidates_wanted)
		send_candidates(kill.victim_tid, kill_limit, kill.domain_pages);
	return 0;
}

TRACEPOINT(mark_victim_task, "mark_victim", on_mark(as_number(ctx), as_number(task)), struct task_struct *task)

/* Returns the marked task. Up to 6.8 the tracepoint passes only its pid. After a SIGKILL it is the task that got the
 * signal; otherwise it is the trigger itself, or the process that the trigger chose. */
static __always_inline u64 marked_task(u64 stack, u32 pid)
{
	struct episode *e = episode_get(false);
	struct task_struct *signalled = e ? (void *)e->signalled : NULL;

	if (signalled && (u32)BPF_CORE_READ(signalled, pid) == pid)
		return e->signalled;
	if ((u32)bpf_get_current_pid_tgid() == pid)
		return bpf_get_current_task();
	struct oom_control *oc = e ? (void *)e->given_oom_control : NULL;
	struct task_struct *chosen = oc ? BPF_CORE_READ(oc, chosen) : NULL;
	if (chosen && is_oom_control((u64)oc) && (u32)BPF_CORE_READ(chosen, pid) == pid)
		return (u64)chosen;
	oc = stack ? (void *)find_oom_control(stack, 0, 0, pid) : NULL;
	return oc ? (u64)BPF_CORE_READ(oc, chosen) : 0;
}

static __always_inline int on_mark_pid(u64 stack, u32 pid)
{
	u64 task = marked_task(stack, pid);

	return task ? on_mark(stack, task) : report_kill(0, 0, pid, KILL_ALREADY_DYING);
}

TRACEPOINT(mark_victim_pid, "mark_victim", on_mark_pid(as_number(ctx), pid), int pid)

/* For kernels without BTF for the tracepoint. `pid` has been at offset 8 in every version of its layout. */
SEC("tracepoint/oom/mark_victim") int mark_victim_plain(void *ctx)
{
	u32 pid = 0;

	bpf_probe_read_kernel(&pid, sizeof(pid), ctx + 8);
	return on_mark_pid(0, pid);
}

/* On kernels where a program can hook oom_kill_process(), the oom_control is an argument, and no search is needed. */
static __always_inline int on_oom_kill_process(u64 oom_control)
{
	struct episode *e = episode_get(true);

	if (e)
		e->given_oom_control = oom_control;
	return 0;
}

SEC("fentry/oom_kill_process") int BPF_PROG(oom_kill_process_fentry, struct oom_control *oc)
{
	return on_oom_kill_process(as_number(oc));
}

SEC("kprobe/oom_kill_process") int oom_kill_process_kprobe(struct pt_regs *ctx)
{
	return on_oom_kill_process(PT_REGS_PARM1(ctx));
}

/* Called in kernel/signal.c: __send_signal_locked(). The OOM killer sends SIGKILL with SEND_SIG_PRIV to a whole thread
 * group; little other kernel code does. */
static __always_inline int on_signal(int sig, u64 info, u64 address, int group)
{
	struct task_struct *task = (void *)address;

	if (sig != SIGKILL || info != SEND_SIG_PRIV || !group)
		return 0;

	struct episode *e = episode_get(true);
	if (!e)
		return 0;
	u64 now = bpf_ktime_get_ns();
	e->signal_ktime_ns = now;

	/* After the mark the kernel kills every other process that uses the same memory, without a mark or a line in
	 * its log. */
	if (e->marked_mm && now - e->mark_ktime_ns < EPISODE_NS && (u64)BPF_CORE_READ(task, mm) == e->marked_mm &&
	    (u64)BPF_CORE_READ(task, group_leader) != e->marked_leader)
		return report_kill(0, address, BPF_CORE_READ(task, pid), KILL_SHARED_MEMORY);
	e->signalled = address;
	return 0;
}

/* ---- how the victim's memory is freed ---- */

static __always_inline int report_step(u64 key, u8 step)
{
	if (!followed)
		return 0;
	struct victim *found = bpf_map_lookup_elem(&victims, &key);
	if (!found)
		return 0;
	struct victim v = *found;
	struct mem_cgroup *limit = (void *)v.limit_memcg;
	u64 pid = v.pid;

	/* Of the victim's three elements in the map, the one under its pid has the steps. */
	found = bpf_map_lookup_elem(&victims, &pid);
	if (!found || found->steps & 1 << step)
		return 0;
	found->steps |= 1 << step;
	struct oom_step_record r = { .tid = v.tid, .pid = v.pid, .step = step };
	record_begin(&r.header, RECORD_OOM_STEP);
	if (v.limit_id && memcg_id(limit) == v.limit_id) { /* the cgroup still exists */
		r.limit_id = v.limit_id;
		r.limit_usage_pages = BPF_CORE_READ(limit, memory.usage.counter);
	}
	record_send(&r.header, RECORD_OOM_STEP, sizeof(r), 0);
	/* STEP_EXIT and STEP_MM_GONE come in either order; since 6.16 STEP_EXIT is first. */
	found = bpf_map_lookup_elem(&victims, &pid);
	if (!found)
		return 0;
	if ((found->steps & 1 << STEP_EXIT) && (!v.mm || found->steps & 1 << STEP_MM_GONE))
		unfollow(&v);
	return 0;
}

TRACEPOINT(wake_reaper, "wake_reaper", report_step((u32)pid, STEP_REAPER_WAKE), int pid)
TRACEPOINT(start_task_reaping, "start_task_reaping", report_step((u32)pid, STEP_REAPER_START), int pid)
TRACEPOINT(finish_task_reaping, "finish_task_reaping", report_step((u32)pid, STEP_REAPER_FINISH), int pid)
TRACEPOINT(skip_task_reaping, "skip_task_reaping", report_step((u32)pid, STEP_REAPER_SKIP), int pid)

/* Set for kernels without the tracepoint exit_mmap (before 6.1). There sched_process_exit comes after exit_mm(), when
 * the memory has been freed unless another process shares it. */
const volatile bool exit_is_last_step = false;

static __always_inline int on_exit(struct task_struct *task, bool last)
{
	u64 pid = BPF_CORE_READ(task, tgid);

	if (!last)
		return 0;
	if (exit_is_last_step)
		report_step(pid, STEP_MM_GONE);
	return report_step(pid, STEP_EXIT);
}

/* The tracepoint's arguments: (task) up to 6.12, (task, group_dead) since 6.16. */
TRACEPOINT(process_exit_1, "sched_process_exit",
	   followed ? on_exit(task, !BPF_CORE_READ(task, signal, live.counter)) : 0, struct task_struct *task)
TRACEPOINT(process_exit_2, "sched_process_exit", followed ? on_exit(task, group_dead) : 0, struct task_struct *task,
	   bool group_dead)
TRACEPOINT(exit_mmap, "exit_mmap", report_step(as_number(mm), STEP_MM_GONE), struct mm_struct *mm)

/* By 7.2 the programs on sched_process_exit and exit_mmap may be preempted, and are skipped meanwhile on their CPU (see
 * on_child_signal() in signals.bpf.c). SIGCHLD makes up for it: all threads of its sender have passed both. If others
 * use the memory, too, mm_users is not 0, and exit_mmap comes later. Not inline: the verifier adds up the stacks of
 * signal_generate and of all that it calls. */
__noinline int on_child_signal(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 pid = bpf_get_current_pid_tgid() >> 32;
	struct victim *found = bpf_map_lookup_elem(&victims, &pid);
	struct mm_struct *mm = found ? (void *)found->mm : NULL;

	if (!found || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	report_step(pid, STEP_EXIT);
	return mm && !BPF_CORE_READ(mm, mm_users.counter) ? report_step(pid, STEP_MM_GONE) : 0;
}

TRACEPOINT(signal_generate, "signal_generate",
	   sig == SIGCHLD ? (followed ? on_child_signal() : 0)
			  : on_signal(sig, as_number(info), as_number(task), group),
	   int sig, struct kernel_siginfo *info, struct task_struct *task, int group)
