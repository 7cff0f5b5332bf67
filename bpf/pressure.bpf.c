// SPDX-License-Identifier: GPL-2.0-only
/* Measures memory pressure: the time that tasks spend stalled on memory, for each task, each cgroup and the system, and
 * for each cause.
 *
 * The kernel calls psi_memstall_enter() and psi_memstall_leave() around every stall. If a program can hook them, the
 * tracepoints only tell the cause. Otherwise tracepoints mark the begin and end of reclaim and compaction, and
 * sched_switch shows which tasks go to sleep with task_struct.in_memstall set. */
#include <asm/ptrace.h>
#include "kernel.h"
#include "maps.bpf.h"
#include "groups.bpf.h"
#include "stalls.bpf.h"
#include "levels.bpf.h"
#include "tick.bpf.h"
#include "countdown.bpf.h"
#include "tracepoint.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* A program in which a stall may begin, or end on a kernel without a timer. `work` returns the time if the program has
 * read the clock, otherwise 0. */
#define PRESSURE_TRACEPOINT(name, tracepoint, work, args...)                                          \
	TRACEPOINT_PAIR(name, tracepoint, (keep_ticking_since(work), 0), (tick_if_due(work), 0), ##args)

/* ---- every stall, on kernels where functions can be hooked (kernel/sched/psi.c) ---- */

static __always_inline s64 stack_of(void *ctx)
{
	return want_stack ? bpf_get_stackid(ctx, &stacks, BPF_F_REUSE_STACKID) : -1;
}

static __always_inline void keep_ticking_since(u64 now)
{
	if (now)
		keep_ticking(now);
}

/* Calls of psi_memstall_enter() and psi_memstall_leave() nest, and only the outermost pair counts. An inner enter finds
 * a stall already open; after an inner leave, task_struct.in_memstall is still set. (The argument `flags` tells it too,
 * but on 5.10 a program may not read it.)
 *
 * Both programs run when the hooked function returns, and first read the clock. So PSI's times and these times contain
 * the same part of the programs' own cost. */
static __always_inline u64 on_entered(void *ctx)
{
	u64 now = bpf_ktime_get_ns();

	if (!in_memstall((void *)bpf_get_current_task()))
		return 0;
	stall_begin(CAUSE_OTHER, 0, stack_of(ctx), now);
	return now;
}

static __always_inline u64 on_left(void *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = (u32)bpf_get_current_pid_tgid();

	if (in_memstall((void *)bpf_get_current_task()))
		return 0;
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	if (s && s->begin_ns)
		stall_end(tid, s->cause ? 0 : cause_of_stack(ctx), now);
	return now;
}

SEC("fexit/psi_memstall_enter") int BPF_PROG(memstall_enter_fentry)
{
	keep_ticking_since(on_entered(ctx));
	return 0;
}

SEC("fexit/psi_memstall_leave") int BPF_PROG(memstall_leave_fentry)
{
	keep_ticking_since(on_left(ctx));
	return 0;
}

SEC("kretprobe/psi_memstall_enter") int memstall_enter_kprobe(struct pt_regs *ctx)
{
	tick_if_due(on_entered(ctx));
	return 0;
}

SEC("kretprobe/psi_memstall_leave") int memstall_leave_kprobe(struct pt_regs *ctx)
{
	tick_if_due(on_left(ctx));
	return 0;
}

/* ---- reclaim and compaction (mm/vmscan.c, mm/compaction.c): the cause of a stall, or the stall itself ---- */

/* Returns whether this is proactive reclaim (memory.reclaim), which is no stall. Since 6.0 the kernel does not call
 * psi_memstall_enter() for it, and calls it for any other reclaim before the tracepoint. Before 6.0 the call came after
 * the tracepoint, so in_memstall says nothing there. */
static __always_inline bool proactive(struct task_struct *task)
{
	struct scan_control *control = NULL;

	return psi_runs && bpf_core_field_exists(control->proactive) && !in_memstall(task);
}

static __always_inline void set_cause(u32 cause)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);

	if (s && s->begin_ns && s->cause == CAUSE_OTHER)
		s->cause = cause;
}

static __always_inline u64 work_begins(void *ctx, u32 cause)
{
	if (exact) {
		set_cause(cause);
		return 0;
	}
	if (proactive((void *)bpf_get_current_task()))
		return 0;
	u64 now = bpf_ktime_get_ns();
	stall_begin(cause, 0, stack_of(ctx), now);
	return now;
}

static __always_inline u64 work_ends(void)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	if (exact)
		return 0;
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	if (!s || !s->begin_ns)
		return 0;
	if (s->depth) {
		s->depth--;
		return 0;
	}
	u64 now = bpf_ktime_get_ns();
	stall_end(tid, 0, now);
	return now;
}

static __always_inline u32 memcg_reclaim_cause(void)
{
	u64 ignored;

	return memcg_cause(&ignored);
}

/* The tracepoints' arguments differ between kernels. These programs use only the first argument of
 * memcg_reclaim_end, which is the same on all kernels, and the arguments of reclaim_retry_zone. */
PRESSURE_TRACEPOINT(direct_reclaim_begin, "mm_vmscan_direct_reclaim_begin", work_begins(ctx, CAUSE_DIRECT_RECLAIM))
PRESSURE_TRACEPOINT(direct_reclaim_end, "mm_vmscan_direct_reclaim_end", work_ends())
PRESSURE_TRACEPOINT(memcg_reclaim_begin, "mm_vmscan_memcg_reclaim_begin", work_begins(ctx, memcg_reclaim_cause()))
PRESSURE_TRACEPOINT(memcg_reclaim_end, "mm_vmscan_memcg_reclaim_end", memcg_round(reclaimed, work_ends()),
		    unsigned long reclaimed)
PRESSURE_TRACEPOINT(compaction_begin, "mm_compaction_begin", work_begins(ctx, CAUSE_COMPACTION))
PRESSURE_TRACEPOINT(compaction_end, "mm_compaction_end", work_ends())
TRACEPOINT(reclaim_retry_zone, "reclaim_retry_zone", (zone_round(loops), 0), void *zone, int order,
	   unsigned long reclaimable, unsigned long available, unsigned long watermark, int loops)

/* ---- which task runs where ---- */

/* One side of a context switch: the tid in the high half (0: the CPU is idle), and in the low half: */
#define SIDE_KTHREAD 1
#define SIDE_MEMALLOC 2
#define SIDE_MEMSTALL 4

static __always_inline u64 side_of(u32 tid, u32 flags, bool memstall)
{
	return (u64)tid << 32 | (flags & PF_KTHREAD ? SIDE_KTHREAD : 0) | (flags & PF_MEMALLOC ? SIDE_MEMALLOC : 0) |
	       (memstall ? SIDE_MEMSTALL : 0);
}

static __always_inline bool may_be_stalled(u64 side)
{
	return side & (SIDE_MEMSTALL | SIDE_MEMALLOC);
}

/* A stalled task starts to run on a CPU: moves its stall to this CPU's slots. Returns whether the task is still
 * stalled. */
static __always_inline bool stalled_arrives(u64 side, u32 cpu, u64 now)
{
	u32 tid = side >> 32;
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);

	if (!s || !s->begin_ns)
		return false;
	if (s->cpu != cpu) {
		change_groups(s->key, CHANGE(s->cpu, -1, RUNNING_AS_BEFORE), now, 0);
		s->cpu = cpu;
		change_groups(s->key, CHANGE(cpu, 1, RUNNING_AS_BEFORE), now, 0);
	}
	/* A task that was stalled in its sleep has got its memory. Kernel threads (kswapd, kcompactd) run while they
	 * are stalled. */
	if (!s->from_switch || (side & SIDE_KTHREAD))
		return true;
	stall_end(tid, 0, now);
	return false;
}

/* A task stops running on a CPU. If it is in no stall by its flags, ends the stall that is still open for it: a kernel
 * thread's, or one whose end was missed. */
static __always_inline void departs(u64 side, u64 now)
{
	if (!((side & SIDE_KTHREAD) && psi_runs ? side & SIDE_MEMSTALL : may_be_stalled(side)))
		stall_forget(side >> 32, now);
}

/* prev, next: side_of() the two tasks. key: key of the next task's group, 0: the CPU becomes idle. */
__noinline int on_hot_switch(u64 prev, u64 next, u64 key, u64 now)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct cpu_runs *runs = this_cpu_runs();

	if (prev >> 32)
		departs(prev, now);
	bool stalled = next >> 32 && may_be_stalled(next) && stalled_arrives(next, cpu, now);
	u32 running = !key ? RUNNING_NONE : stalled ? RUNNING_STALLED : RUNNING_PRODUCTIVE;
	if (!runs || (runs->key == key && runs->running == running && runs->heated == heated_groups))
		return 0;
	runs_now(runs, key, cpu, now);
	if (key)
		change_groups(key, CHANGE(cpu, 0, running), now, 0);
	runs->running = running;
	runs->heated = heated_groups;
	return 0;
}

static __always_inline void on_stalled_sleep(void *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);

	if (!s || !s->begin_ns)
		stall_begin(cause_of_stack(ctx), 1, stack_of(ctx), bpf_ktime_get_ns());
}

/* The next functions read the tasks through typed pointers, which takes no call of a helper. */
static __always_inline bool typed_memstall(struct task_struct *task)
{
	return bpf_core_field_exists(task->in_memstall) && BPF_CORE_READ_BITFIELD(task, in_memstall);
}

static __always_inline u64 typed_side(struct task_struct *task)
{
	u32 tid = task->pid;

	return tid ? side_of(tid, task->flags, typed_memstall(task)) : 0;
}

/* Returns key_of() a task. The pointer goes through a map, which makes it a number for the verifier. No other program
 * uses the map's element meanwhile, because a context switch cannot be preempted or interrupted. */
static __always_inline u64 typed_key(struct task_struct *task)
{
	struct cpu_runs *runs = this_cpu_runs();

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id) || !runs)
		return SYSTEM_KEY;
	u64 index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	struct cgroup_subsys_state **subsys = (void *)task->cgroups + bpf_core_field_offset(struct css_set, subsys);
	*(struct cgroup_subsys_state *volatile *)&runs->css = subsys[index];
	u64 css = *(volatile u64 *)&runs->css;
	return css && css != root_css ? css : SYSTEM_KEY;
}

/* This hook runs more often than all others. While no group is under pressure, the hook costs two loads. */
SEC("tp_btf/sched_switch") int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!exact && psi_runs && typed_memstall(prev))
		on_stalled_sleep(ctx);
	if (!hot_any)
		return 0;
	u64 now = bpf_ktime_get_ns(), arrives = typed_side(next);
	on_hot_switch(typed_side(prev), arrives, arrives ? typed_key(next) : 0, now);
	keep_ticking(now);
	return 0;
}

static __always_inline u64 probed_side(struct task_struct *task)
{
	u32 tid = BPF_CORE_READ(task, pid);

	return tid ? side_of(tid, BPF_CORE_READ(task, flags), in_memstall(task)) : 0;
}

SEC("raw_tp/sched_switch")
int BPF_PROG(sched_switch_raw, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!exact && psi_runs && in_memstall(prev))
		on_stalled_sleep(ctx);
	if (!hot_any)
		return 0;
	u64 now = bpf_ktime_get_ns(), arrives = probed_side(next);
	on_hot_switch(probed_side(prev), arrives, arrives ? key_of(next) : 0, now);
	tick_if_due(now);
	return 0;
}

/* ---- cgroups that are removed ---- */

static __always_inline void on_rmdir(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *css = memory_css((u64)cgroup + bpf_core_field_offset(struct cgroup, subsys));

	if (css)
		group_remove((u64)css);
}

TRACEPOINT(cgroup_rmdir, "cgroup_rmdir", (on_rmdir((void *)as_number(cgroup)), 0), struct cgroup *cgroup)

/* ---- tasks that exit ---- */

static __always_inline void on_exit(void)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct stall *s = stall_elements ? bpf_map_lookup_elem(&stalls, &tid) : NULL;

	if (!s)
		return;
	if (s->begin_ns)
		stall_end(tid, 0, bpf_ktime_get_ns());
	stall_drop(tid);
}

TRACEPOINT(task_exit, "sched_process_exit", (on_exit(), 0))
