// SPDX-License-Identifier: GPL-2.0-only
/* Facts about a process that mm/oom_kill.c uses, read from its thread-group leader. */
#pragma once

#include "kernel.h"
#include <bpf/bpf_core_read.h>

#define MAX_THREADS 16 /* process_mm() looks at no more than these for one that still has an mm */

/* Returns the mm of the first thread that still has one, as find_lock_task_mm() in mm/oom_kill.c does. */
static __always_inline struct mm_struct *process_mm(struct task_struct *leader)
{
	struct mm_struct *mm = BPF_CORE_READ(leader, mm);
	u64 node = (u64)BPF_CORE_READ(leader, thread_node.next);

	for (int i = 0; !mm && node && i < MAX_THREADS; i++) {
		struct task_struct *thread = (void *)(node - bpf_core_field_offset(struct task_struct, thread_node));
		if (BPF_CORE_READ(thread, group_leader) != leader)
			break; /* the list's head */
		mm = BPF_CORE_READ(thread, mm);
		node = (u64)BPF_CORE_READ(thread, thread_node.next);
	}
	return mm;
}

/* Returns whether the process still uses its parent's memory after vfork(2), as in_vfork() in include/linux/sched/mm.h
 * does. */
static __always_inline bool in_vfork(struct task_struct *leader, struct mm_struct *mm)
{
	return BPF_CORE_READ(leader, vfork_done) && BPF_CORE_READ(leader, real_parent, mm) == mm;
}
