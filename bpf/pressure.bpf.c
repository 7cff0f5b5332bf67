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

/* A program that also makes sure that tick() runs regularly (see tick.bpf.h). */
#define PRESSURE_TRACEPOINT(name, tracepoint, work, args...) \
	TRACEPOINT_PAIR(name, tracepoint, (work, keep_ticking(), 0), (work, tick_if_due(), 0), ##args)

/* ---- every stall, on kernels where functions can be hooked (kernel/sched/psi.c) ---- */

static __always_inline s64 stack_of(void *ctx)
{
	return want_stack ? bpf_get_stackid(ctx, &stacks, BPF_F_REUSE_STACKID) : -1;
}

/* Calls of psi_memstall_enter() and psi_memstall_leave() nest, and only the outermost pair counts. An inner enter finds
 * a stall already open; after an inner leave, task_struct.in_memstall is still set. (The argument `flags` tells it too,
 * but on 5.10 a program may not read it.)
 *
 * Both programs run when the hooked function returns. So PSI's times and these times contain the same part of the
 * programs' own cost. */
static __always_inline void on_entered(void *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	if (in_memstall((void *)bpf_get_current_task()) && !bpf_map_lookup_elem(&stalls, &tid))
		stall_begin(CAUSE_OTHER, 0, stack_of(ctx));
}

static __always_inline void on_left(void *ctx)
{
	u64 now = bpf_ktime_get_ns();
	u32 tid = (u32)bpf_get_current_pid_tgid();

	if (in_memstall((void *)bpf_get_current_task()))
		return;
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	if (s)
		stall_end(tid, s->cause ? 0 : cause_of_stack(ctx), now);
}

SEC("fexit/psi_memstall_enter") int BPF_PROG(memstall_enter_fentry)
{
	on_entered(ctx);
	keep_ticking();
	return 0;
}

SEC("fexit/psi_memstall_leave") int BPF_PROG(memstall_leave_fentry)
{
	on_left(ctx);
	keep_ticking();
	return 0;
}

SEC("kretprobe/psi_memstall_enter") int memstall_enter_kprobe(struct pt_regs *ctx)
{
	on_entered(ctx);
	tick_if_due();
	return 0;
}

SEC("kretprobe/psi_memstall_leave") int memstall_leave_kprobe(struct pt_regs *ctx)
{
	on_left(ctx);
	tick_if_due();
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

	if (s && s->cause == CAUSE_OTHER)
		s->cause = cause;
}

static __always_inline void work_begins(void *ctx, u32 cause)
{
	if (exact) {
		set_cause(cause);
		return;
	}
	if (!proactive((void *)bpf_get_current_task()))
		stall_begin(cause, 0, stack_of(ctx));
}

static __always_inline void work_ends(void)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	if (exact)
		return;
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);
	if (!s)
		return;
	if (s->depth)
		s->depth--;
	else
		stall_end(tid, 0, bpf_ktime_get_ns());
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
PRESSURE_TRACEPOINT(memcg_reclaim_end, "mm_vmscan_memcg_reclaim_end", (work_ends(), memcg_round(reclaimed)),
		    unsigned long reclaimed)
PRESSURE_TRACEPOINT(compaction_begin, "mm_compaction_begin", work_begins(ctx, CAUSE_COMPACTION))
PRESSURE_TRACEPOINT(compaction_end, "mm_compaction_end", work_ends())
PRESSURE_TRACEPOINT(reclaim_retry_zone, "reclaim_retry_zone", zone_round(loops), void *zone, int order,
		    unsigned long reclaimable, unsigned long available, unsigned long watermark, int loops)

/* ---- which task runs where ---- */

static __always_inline bool may_be_stalled(struct task_struct *task)
{
	return in_memstall(task) || (BPF_CORE_READ(task, flags) & PF_MEMALLOC);
}

/* A stalled task starts to run on a CPU: moves its stall to this CPU's slots. Returns whether the task is still
 * stalled. */
static __always_inline bool stalled_arrives(struct task_struct *task, u32 cpu, u64 now)
{
	u32 tid = BPF_CORE_READ(task, pid);
	struct stall *s = bpf_map_lookup_elem(&stalls, &tid);

	if (!s)
		return false;
	if (s->cpu != cpu) {
		change_groups(s->key, CHANGE(s->cpu, -1, RUNNING_AS_BEFORE), now, 0);
		s->cpu = cpu;
		change_groups(s->key, CHANGE(cpu, 1, RUNNING_AS_BEFORE), now, 0);
	}
	/* A task that was stalled in its sleep has got its memory. Kernel threads (kswapd, kcompactd) run while they
	 * are stalled. */
	if (!s->from_switch || (BPF_CORE_READ(task, flags) & PF_KTHREAD))
		return true;
	stall_end(tid, 0, now);
	return false;
}

/* A task stops running on a CPU. If it is in no stall by its flags, ends the stall that is still open for it: a kernel
 * thread's, or one whose end was missed. */
static __always_inline void departs(struct task_struct *task, u64 now)
{
	bool kernel = BPF_CORE_READ(task, flags) & PF_KTHREAD;

	if (!(kernel && psi_runs ? in_memstall(task) : may_be_stalled(task)))
		stall_forget(BPF_CORE_READ(task, pid), now);
}

__noinline int on_hot_switch(u64 from, u64 to)
{
	struct task_struct *prev = (void *)from, *next = (void *)to;
	u32 cpu = bpf_get_smp_processor_id();
	u64 now = bpf_ktime_get_ns();
	bool prev_idle = !BPF_CORE_READ(prev, pid), next_idle = !BPF_CORE_READ(next, pid);
	if (!prev_idle)
		departs(prev, now);
	bool stalled = !next_idle && may_be_stalled(next) && stalled_arrives(next, cpu, now);
	u64 old = prev_idle ? 0 : key_of(prev), new = next_idle ? 0 : key_of(next);

	if (old && old != new)
		change_groups(old, CHANGE(cpu, 0, RUNNING_NONE), now, 0);
	if (new)
		change_groups(new, CHANGE(cpu, 0, stalled ? RUNNING_STALLED : RUNNING_PRODUCTIVE), now, 0);
	return 0;
}

static __always_inline void on_stalled_sleep(void *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	if (!bpf_map_lookup_elem(&stalls, &tid))
		stall_begin(cause_of_stack(ctx), 1, stack_of(ctx));
}

/* This hook runs more often than all others. While no group is under pressure, the hook costs two loads. */
SEC("tp_btf/sched_switch") int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!exact && psi_runs && bpf_core_field_exists(prev->in_memstall) && BPF_CORE_READ_BITFIELD(prev, in_memstall))
		on_stalled_sleep(ctx);
	if (!hot_any)
		return 0;
	on_hot_switch(as_number(prev), as_number(next));
	keep_ticking();
	return 0;
}

SEC("raw_tp/sched_switch")
int BPF_PROG(sched_switch_raw, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!exact && psi_runs && in_memstall(prev))
		on_stalled_sleep(ctx);
	if (!hot_any)
		return 0;
	on_hot_switch((u64)prev, (u64)next);
	tick_if_due();
	return 0;
}

/* ---- cgroups that are removed ---- */

static __always_inline void on_rmdir(struct cgroup *cgroup)
{
	struct cgroup_subsys_state *css = memory_css((u64)cgroup + bpf_core_field_offset(struct cgroup, subsys));

	if (css)
		group_remove((u64)css);
}

PRESSURE_TRACEPOINT(cgroup_rmdir, "cgroup_rmdir", on_rmdir((void *)as_number(cgroup)), struct cgroup *cgroup)
