// SPDX-License-Identifier: GPL-2.0-only
/* The processes that the kernel chose its victim from, with the points that it gave them. */
#pragma once

#include "compat.bpf.h"
#include "process.bpf.h"
#include "victim.bpf.h"

#define STRETCH 128 /* processes for each call of consider_some(), which the verifier checks once, not once a call */
#define STRETCHES 64
#define MAX_ANCESTORS 64
#define DEEPEST 256 /* levels of cgroups that are searched */
#define OOM_SCORE_ADJ_MIN (-1000)
#define NOT_A_CANDIDATE (-0x7fffffffffffffffLL - 1) /* LONG_MIN, as in oom_badness() */

/* Set by the loader. */
const volatile u32 candidates_mode = CANDIDATES_NEVER;
const volatile u32 page_shift = 12;

/* One global list is enough: the kernel holds oom_lock, so only one kill at a time fills the list. */
struct oom_candidates_record list = {};
struct candidate one = {};

/* Whether one of LEVELS_AT_ONCE memcgs, from this one upwards, is the ancestor. */
__noinline int memcg_is_near(u64 memcg, u64 ancestor)
{
	for (int i = 0; i < LEVELS_AT_ONCE && memcg; i++) {
		if (memcg == ancestor)
			return 1;
		memcg = memcg_above(memcg);
	}
	return 0;
}

static __always_inline bool memcg_is_below(u64 memcg, u64 ancestor)
{
	for (int i = 0; i < DEEPEST / LEVELS_AT_ONCE && memcg; i++) {
		if (memcg_is_near(memcg, ancestor))
			return true;
		memcg = memcg_far_above(memcg);
	}
	return false;
}

/* Whether this kernel's oom_badness() sums the per-CPU counters (7.x) or takes their shared part (6.2 to 6.x).
 * send_candidates() learns it from the first victim for which the two give different points. */
bool exact_badness = false;

static __always_inline void read_counters(struct mm_struct *mm, s64 *pages, bool exact)
{
	s64 approx[4];

	if (exact)
		read_rss(mm, pages, approx);
	else
		read_rss_approx(mm, pages);
}

static __always_inline s64 points_of(const struct rss_pages *rss, u64 page_table_bytes)
{
	s64 points = page_table_bytes >> page_shift;

	if (rss->file > 0)
		points += rss->file;
	if (rss->anon > 0)
		points += rss->anon;
	if (rss->shmem > 0)
		points += rss->shmem;
	if (rss->swap > 0)
		points += rss->swap;
	return points;
}

/* Computes what the kernel's oom_badness() (mm/oom_kill.c) computes for a process, given its thread-group leader.
 * Fills `one` and returns its points. limit: the memory cgroup at its limit, 0: the whole system is out of memory. */
__noinline s64 badness(u64 address, u64 limit, u64 total_pages)
{
	struct task_struct *leader = (void *)address;
	struct candidate *c = &one;
	struct mm_struct *mm;
	s64 adj;

	c->pid = BPF_CORE_READ(leader, tgid);
	if (c->pid <= 1 || BPF_CORE_READ(leader, flags) & PF_KTHREAD)
		return NOT_A_CANDIDATE;
	mm = process_mm(leader);
	if (!mm || (limit && !memcg_is_below((u64)task_memcg(leader), limit)))
		return NOT_A_CANDIDATE;
	adj = BPF_CORE_READ(leader, signal, oom_score_adj);
	if (adj == OOM_SCORE_ADJ_MIN)
		return NOT_A_CANDIDATE;
	if (in_vfork(leader, mm))
		return NOT_A_CANDIDATE;

	c->oom_score_adj = adj;
	c->uid = BPF_CORE_READ(leader, real_cred, uid.val);
	c->page_table_bytes = BPF_CORE_READ(mm, pgtables_bytes.counter);
	BPF_CORE_READ_STR_INTO(&c->comm, leader, comm);
	read_counters(mm, (s64 *)&c->rss, exact_badness);
	c->points = points_of(&c->rss, c->page_table_bytes) + adj * (s64)(total_pages / 1000);
	return c->points;
}

/* Whether the element i of the list has more points than `one`. This function and the next are global, because the
 * verifier follows each combination of branches in a loop: with both inlined, it checks 13,000 instructions here. */
__noinline u64 is_above_one(u64 i)
{
	return i < CANDIDATES && i < list.count && list.candidates[i].points > one.points;
}

/* Moves the element i - 1 of the list to i. Without the barrier the compiler compares only i - 1 with the bounds, and the
 * verifier of Linux 6.12 and earlier then refuses i as an index, because it does not relate the two. */
__noinline int move_down(u64 i)
{
	if (i >= CANDIDATES)
		return 0;
	barrier_var(i);
	if (i > 0)
		list.candidates[i] = list.candidates[i - 1];
	return 0;
}

/* Inserts `one` into the list, sorted by points. Of two processes with equal points the later one comes first, as in
 * the kernel's oom_evaluate_task(). */
__noinline int insert_candidate(void)
{
	u32 count = list.count;
	u64 place = 0;

	for (u64 i = 0; i < CANDIDATES; i++)
		place += is_above_one(i);
	barrier_var(place);
	if (place >= CANDIDATES)
		return 0;
	for (u64 i = CANDIDATES - 1; i > 0; i--)
		if (i > place)
			move_down(i);
	list.candidates[place] = one;
	list.count = count < CANDIDATES ? count + 1 : CANDIDATES;
	return 0;
}

/* init_task, the parent of pid 1, where the kernel's list of processes starts. */
static __always_inline u64 first_task(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	for (int i = 0; i < MAX_ANCESTORS && BPF_CORE_READ(task, pid); i++)
		task = BPF_CORE_READ(task, real_parent);
	return (u64)task;
}

/* Considers one process. Returns the next one in the kernel's list. */
__noinline u64 consider(u64 task, u64 limit, u64 total_pages)
{
	u64 tasks = bpf_core_field_offset(struct task_struct, tasks);
	struct list_head *node = (void *)(task + tasks);

	if (badness(task, limit, total_pages) != NOT_A_CANDIDATE) {
		list.considered++;
		insert_candidate();
	}
	return (u64)BPF_CORE_READ(node, next) - tasks;
}

/* Considers STRETCH processes, starting with `task`. Returns the process to continue with, or 0 at the end of the
 * kernel's list. */
__noinline u64 consider_some(u64 task, u64 first, u64 limit, u64 total_pages)
{
	for (int i = 0; i < STRETCH; i++) {
		task = consider(task, limit, total_pages);
		if (task == first)
			return 0;
	}
	return task;
}

/* Walks all processes, as the kernel has just done (for_each_process), and sends the ones with the most points. */
__noinline int send_candidates(u32 tid, u64 limit, u64 total_pages)
{
	u64 first = first_task();
	u64 task = first;

	s64 kernel_points = kill.chosen_points - kill.victim_oom_score_adj * (s64)(total_pages / 1000);
	s64 exact = points_of(&kill.victim_rss, kill.victim_page_table_bytes);
	s64 approx = points_of(&kill.victim_rss_approx, kill.victim_page_table_bytes);
	if (exact != approx && (kernel_points == exact || kernel_points == approx))
		exact_badness = kernel_points == exact;

	list.victim_tid = tid;
	list.count = list.considered = 0;
	record_begin(&list.header, RECORD_OOM_CANDIDATES);
	for (int i = 0; i < STRETCHES && task; i++)
		task = consider_some(task, first, limit, total_pages);
	list.cut = task != 0;
	return record_send(&list.header, RECORD_OOM_CANDIDATES, sizeof(list), BPF_RB_FORCE_WAKEUP);
}
