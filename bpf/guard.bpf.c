// SPDX-License-Identifier: GPL-2.0-only
/* The fast path of an early kill. Userspace names a target beforehand and keeps the arming fresh; here, where the kernel
 * counts down to its OOM killer, the condition is looked at, and the signal sent at once: no wake-up, no userspace that
 * would itself need memory. Where the kernel has no kfunc for that (before 6.13) the record asks the addon's poller thread.
 *
 * Nothing is decided here but whether the moment has come and whether the target is still who it was. All of it goes with
 * the process that armed: programs and maps are held by its descriptors alone. */
#include "kernel.h"
#include "guard.h"
#include "maps.bpf.h"
#include "compat.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define STREAK_NS 1000000000ULL
#define MAX_DEPTH 32

extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type, u64 value) __ksym __weak;

/* Set by the loader, from the kernel's BTF: those three are there. As read-only data it decides before the verifier looks
 * at the calls, on any kernel. */
const volatile bool can_signal = false;

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

struct streak {
	u64 last_ns;
	u64 rounds;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* tid of the one who needs memory */
	__type(value, struct streak);
} streaks SEC(".maps");

static __always_inline bool counter_is_full(const struct page_counter *counter)
{
	s64 usage = BPF_CORE_READ(counter, usage.counter);

	return usage + CHARGE_BATCH_PAGES >= (s64)BPF_CORE_READ(counter, max);
}

/* Whether current is in this cgroup or below it, and the cgroup at its limit: else the fruitless reclaim was for another
 * (memory.high, memory.reclaim, a limit further down). */
__noinline int domain_is_full(u64 domain)
{
	struct mem_cgroup *memcg = task_memcg((void *)bpf_get_current_task());

	for (int i = 0; i < MAX_DEPTH && memcg; i++) {
		if (BPF_CORE_READ(memcg, css.cgroup, kn, id) == domain) {
			if (counter_is_full(&memcg->memory))
				return 1;
			/* v1: the limit of memory and swap together; v2 has the swap's own counter there. */
			return BPF_CORE_READ(memcg, css.cgroup, root, hierarchy_id) && counter_is_full(&memcg->swap);
		}
		struct cgroup_subsys_state *parent = BPF_CORE_READ(memcg, css.parent);
		memcg = parent ? (void *)parent - bpf_core_field_offset(struct mem_cgroup, css) : NULL;
	}
	return 0;
}

/* Before 5.11 these programs may not lock. Where the kernel does not signal by itself they need not, either: what counts
 * then is the token, which stands for one target for good, and which userspace writes last. */
static __always_inline void lock(struct arming_slot *arming)
{
	if (can_signal)
		bpf_spin_lock(&arming->reserved_for_lock);
	barrier();
}

static __always_inline void unlock(struct arming_slot *arming)
{
	barrier();
	if (can_signal)
		bpf_spin_unlock(&arming->reserved_for_lock);
}

static __always_inline u32 outcome_of(const struct arming_slot *target, struct guard_trigger_record *r)
{
	if (!can_signal)
		return GUARD_ASKED;
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
	else {
		r->decided_ktime_ns = bpf_ktime_get_ns();
		/* Preemption is off in a tracepoint, so the kernel interrupts this CPU to do it (irq_work): on a virtual
		 * machine that is most of what a signal takes. */
		r->error = bpf_send_signal_task(task, target->signal, PIDTYPE_TGID, target->token);
	}
	bpf_task_release(task);
	/* A leader that has exited before its threads gets nothing from here. By its pidfd the process does. */
	return r->error == -EPERM ? GUARD_ASKED : outcome;
}

/* Once for each arming: who gets it from ARMED to FIRED, under the lock, goes on. */
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
	if (arming->state == ARMING_ARMED && rounds >= arming->fruitless_rounds && *(volatile u64 *)&arming->token == target.token) {
		mine = true;
		arming->state = ARMING_FIRED;
		arming->trigger_ktime_ns = now;
	}
	unlock(arming);
	if (!mine)
		return 0;

	r.outcome = outcome_of(&target, &r);
	if (r.error == -EBUSY) { /* this CPU is sending another signal: next round */
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

		/* A glance without the lock; what counts is looked at again in fire(). */
		if (!arming || arming->state != ARMING_ARMED || rounds < arming->fruitless_rounds)
			continue;
		if (system != (arming->domain == SYSTEM_DOMAIN))
			continue;
		if (system || domain_is_full(arming->domain))
			fire(slot, rounds, now);
	}
}

/* (nr_reclaimed), and the memcg by 7.2 */
SEC("tp_btf/mm_vmscan_memcg_reclaim_end") int BPF_PROG(memcg_reclaim_end, unsigned long reclaimed)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct streak *streak = bpf_map_lookup_elem(&streaks, &tid);
	u64 now;

	if (reclaimed) {
		if (streak)
			streak->rounds = 0;
		return 0;
	}
	now = bpf_ktime_get_ns();
	if (!streak) {
		struct streak first = { .last_ns = now, .rounds = 1 };
		bpf_map_update_elem(&streaks, &tid, &first, BPF_ANY);
		consider(false, 1, now);
		return 0;
	}
	streak->rounds = now - streak->last_ns < STREAK_NS ? streak->rounds + 1 : 1;
	streak->last_ns = now;
	consider(false, streak->rounds, now);
	return 0;
}

/* mm/page_alloc.c: should_reclaim_retry(). The kernel's own count, 16 of which let it call its OOM killer; and it does so at
 * once where no zone has enough even if all that can be reclaimed were, of which the last of the list is asked last. */
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

/* kernel/signal.c: __send_signal_locked. The time of the signal by the kernel's own clock, whoever sent it. */
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
		arming->trigger_ktime_ns = 0; /* the first only */
		r.sender_pid = bpf_get_current_pid_tgid() >> 32;
		r.by_oom_killer = as_number(info) == SEND_SIG_PRIV;
		record_send(&r.header, RECORD_GUARD_SIGNAL, sizeof(r), BPF_RB_FORCE_WAKEUP);
	}
	return 0;
}
