// SPDX-License-Identifier: GPL-2.0-only
/* Signals a process when the kernel is about to call its OOM killer. Userspace chooses the target in advance, writes it
 * into a slot (an arming) and keeps renewing the slot's expiry. These programs run after each reclaim, check the
 * condition and send the signal at once, without waking userspace, which would itself need memory. Kernels before 6.13
 * have no kfunc that signals another task; there the record makes the addon's poller thread send the signal.
 *
 * These programs decide only whether the condition is met and whether the target is still the same process. They and
 * their maps disappear when the process that armed exits, because only its file descriptors keep them loaded. */
#include "kernel.h"
#include "guard.h"
#include "maps.bpf.h"
#include "compat.bpf.h"
#include "streak.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define MAX_DEPTH 32

/* guard-signal.bpf.c compiles this file with SIGNALS 1, for kernels that have the three functions below. They cannot be
 * weak symbols of one object: libbpf searches the BTF of every module for a function that the kernel lacks, and the
 * kernel gives that BTF only to CAP_SYS_ADMIN. */
#ifndef SIGNALS
#define SIGNALS 0
#endif

#if SIGNALS
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, u64 value) __ksym;
#endif

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ARMINGS);
	__type(key, u32);
	__type(value, struct arming_slot);
} armings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ARMINGS);
	__type(key, u32);
	__type(value, u64);
} expiries SEC(".maps");

/* Returns whether the current task is in this cgroup or a descendant, and the cgroup is at its limit. If it is not, the
 * reclaim had another reason: memory.high, memory.reclaim, or the limit of a descendant. */
__noinline int domain_is_full(u64 domain)
{
	struct mem_cgroup *memcg = task_memcg((void *)bpf_get_current_task());

	for (int i = 0; i < MAX_DEPTH && memcg; i++) {
		if (memcg_id(memcg) == domain) {
			if (counter_is_full(&memcg->memory))
				return 1;
			/* On cgroup v1 this counter limits memory plus swap. On v2 it counts swap alone, and is ignored. */
			return BPF_CORE_READ(memcg, css.cgroup, root, hierarchy_id) && counter_is_full(&memcg->swap);
		}
		memcg = memcg_parent(memcg);
	}
	return 0;
}

/* Kernels before 5.11 do not allow bpf_spin_lock() in these programs. Without SIGNALS they need no lock: only the
 * token is used, which is never reused for another target and which userspace writes last. */
static __always_inline void lock(struct arming_slot *arming)
{
#if SIGNALS
	bpf_spin_lock(&arming->reserved_for_lock);
#endif
	barrier();
}

static __always_inline void unlock(struct arming_slot *arming)
{
	barrier();
#if SIGNALS
	bpf_spin_unlock(&arming->reserved_for_lock);
#endif
}

#if SIGNALS
/* Whether the target has given up the memory for which it was chosen: another process has taken it since. false: its main
 * thread has exited, so its memory is not known here. */
static __always_inline bool has_shrunk(struct task_struct *task, u32 least_pages)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	s64 pages[4] = {}, held = 0;

	if (!least_pages || !mm)
		return false;
	read_rss_approx(mm, pages);
	for (int i = 0; i < 4; i++)
		if (pages[i] > 0)
			held += pages[i];
	return held < least_pages;
}
#endif

static __always_inline u32 outcome_of(const struct arming_slot *target, struct guard_trigger_record *r)
{
#if !SIGNALS
	return GUARD_ASKED;
#else
	struct task_struct *task = bpf_task_from_pid(target->pid);
	if (!task)
		return GUARD_GONE;
	u32 outcome = GUARD_SENT;
	if (BPF_CORE_READ(task, group_leader, start_boottime) / NS_PER_TICK != target->start_ticks ||
	    (u32)BPF_CORE_READ(task, tgid) != target->pid)
		outcome = GUARD_GONE;
	else if (target->pid <= 1 || BPF_CORE_READ(task, flags) & PF_KTHREAD)
		outcome = GUARD_REFUSED;
	else if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		outcome = GUARD_DYING;
	else if (has_shrunk(task, target->least_pages))
		outcome = GUARD_SHRUNK;
	else {
		r->decided_ktime_ns = bpf_ktime_get_ns();
		/* Preemption is off in a tracepoint, so the kernel interrupts this CPU to send the signal (irq_work).
		 * On a virtual machine the interrupt takes most of the time that the signal needs. */
		r->error = bpf_send_signal_task(task, target->signal, PIDTYPE_TGID, target->token);
	}
	bpf_task_release(task);
	/* If the leader has exited before its threads, the kfunc fails with EPERM. Userspace can still signal the
	 * process through its pidfd. */
	return r->error == -EPERM ? GUARD_ASKED : outcome;
#endif
}

/* Fires once for each arming: only the task that changes the state from ARMED to FIRED, under the lock, continues. */
__noinline int fire(u32 slot, u32 rounds, u64 now)
{
	struct arming_slot *arming = bpf_map_lookup_elem(&armings, &slot);
	u64 *expires = bpf_map_lookup_elem(&expiries, &slot);
	struct guard_trigger_record r = { .fruitless_rounds = rounds };
	struct arming_slot target = {};
	bool mine = false;

	if (!arming || !expires)
		return 0;
	if (now >= *expires)
		return 0;
	lock(arming);
	target.token = *(volatile u64 *)&arming->token;
	target.domain = arming->domain;
	target.start_ticks = arming->start_ticks;
	target.pid = arming->pid;
	target.signal = arming->signal;
	target.least_pages = arming->least_pages;
	if (arming->state == ARMING_ARMED && rounds >= arming->fruitless_rounds &&
	    *(volatile u64 *)&arming->token == target.token) {
		mine = true;
		arming->state = ARMING_FIRED;
		arming->trigger_ktime_ns = now;
	}
	unlock(arming);
	if (!mine)
		return 0;

	r.outcome = outcome_of(&target, &r);
	if (r.error == -EBUSY) { /* this CPU is sending another signal: the next round fires again */
		lock(arming);
		if (arming->token == target.token && arming->state == ARMING_FIRED)
			arming->state = ARMING_ARMED;
		unlock(arming);
		return 0;
	}
	record_begin(&r.header, RECORD_GUARD_TRIGGER);
	r.sent_ktime_ns = r.header.ktime_ns;
	r.header.ktime_ns = now;
	r.asked = r.outcome == GUARD_ASKED;
	r.token = target.token;
	r.domain = target.domain;
	r.pid = target.pid;
	r.trigger_tid = (u32)bpf_get_current_pid_tgid();
	return record_send(&r.header, RECORD_GUARD_TRIGGER, sizeof(r), BPF_RB_FORCE_WAKEUP);
}

static __always_inline void consider(bool system, u32 rounds, u64 now)
{
	for (u32 i = 0; i < ARMINGS; i++) {
		u32 slot = i;
		struct arming_slot *arming = bpf_map_lookup_elem(&armings, &slot);

		/* This check takes no lock; fire() checks again under the lock. */
		if (!arming || arming->state != ARMING_ARMED || rounds < arming->fruitless_rounds)
			continue;
		if (system != (arming->domain == SYSTEM_DOMAIN))
			continue;
		if (system || domain_is_full(arming->domain))
			fire(slot, rounds, now);
	}
}

/* The tracepoint's arguments: nr_reclaimed; by 7.2 also the memcg. */
SEC("tp_btf/mm_vmscan_memcg_reclaim_end") int BPF_PROG(memcg_reclaim_end, unsigned long reclaimed)
{
	u64 now = bpf_ktime_get_ns();
	u32 rounds = streak_count(reclaimed, now);

	if (rounds)
		consider(false, rounds, now);
	return 0;
}

/* Called in mm/page_alloc.c: should_reclaim_retry(), once for each zone. After 16 reclaims without progress the kernel
 * calls its OOM killer. With any count, it calls the OOM killer at once if no zone would have enough memory even
 * after all reclaimable memory was reclaimed. This is known at the last zone, which has no successor in the zone
 * list. */
SEC("tp_btf/reclaim_retry_zone")
int BPF_PROG(reclaim_retry_zone, struct zoneref *zone, int order, unsigned long reclaimable, unsigned long available,
	     unsigned long min_wmark, int no_progress_loops, bool enough)
{
	struct zone *next = NULL;

	if (order > PAGE_ALLOC_COSTLY_ORDER)
		return 0;
	if (!enough)
		bpf_probe_read_kernel(&next, sizeof(next), (void *)zone + bpf_core_type_size(struct zoneref));
	if (!enough && !next)
		no_progress_loops = MAX_RECLAIM_RETRIES;
	if (no_progress_loops > 0)
		consider(true, no_progress_loops, bpf_ktime_get_ns());
	return 0;
}

/* Called in kernel/signal.c: __send_signal_locked(). Reports when the target got a signal, from any sender. */
SEC("tp_btf/signal_generate")
int BPF_PROG(signal_generate, int sig, struct kernel_siginfo *info, struct task_struct *task)
{
	if (sig != SIGKILL && sig != SIGTERM)
		return 0;
	u32 pid = BPF_CORE_READ(task, tgid);
	struct guard_signal_record r = { .pid = pid, .signal = sig };

	for (u32 i = 0; i < ARMINGS; i++) {
		u32 slot = i;
		struct arming_slot *arming = bpf_map_lookup_elem(&armings, &slot);

		if (!arming || arming->state != ARMING_FIRED || arming->pid != pid || !arming->trigger_ktime_ns)
			continue;
		record_begin(&r.header, RECORD_GUARD_SIGNAL);
		r.token = arming->token;
		r.trigger_ktime_ns = arming->trigger_ktime_ns;
		arming->trigger_ktime_ns = 0; /* only the first signal is reported */
		r.sender_pid = bpf_get_current_pid_tgid() >> 32;
		r.by_oom_killer = as_number(info) == SEND_SIG_PRIV;
		record_send(&r.header, RECORD_GUARD_SIGNAL, sizeof(r), BPF_RB_FORCE_WAKEUP);
	}
	return 0;
}
