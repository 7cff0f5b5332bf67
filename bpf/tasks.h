// SPDX-License-Identifier: GPL-2.0-only
/* The output of the task iterator: one row for each process. */
#pragma once

#include "events.h"

enum task_flag {
	TASK_KERNEL_THREAD = 1 << 0,
	TASK_HAS_MEMORY = 1 << 1, /* the process has an mm: the memory fields are set */
	TASK_EXACT = 1 << 2,      /* `rss` has sums over all CPUs */
	TASK_VFORK = 1 << 3, /* after vfork(2) the process still uses its parent's memory: the kernel does not choose it */
};
WIRE_ENUM(task_flag);

struct task_row {
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	__s32 oom_score_adj;
	__u32 flags; /* enum task_flag */
	__u32 threads;
	__u64 start_ns;  /* start time since boot, time in suspend included */
	__u64 cgroup_id; /* id of the process's memory cgroup, 0: unknown */
	__u64 total_vm_pages;
	__u64 page_table_bytes;
	struct rss_pages rss;        /* exact if TASK_EXACT is set */
	struct rss_pages rss_approx; /* the shared part of the per-CPU counters */
	char comm[TASK_COMM_LEN];
};
WIRE_STRUCT(task_row);

_Static_assert(sizeof(struct task_row) == 136, "rows are packed one after the other");
