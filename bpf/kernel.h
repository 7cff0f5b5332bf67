// SPDX-License-Identifier: GPL-2.0-only
/* Types of the kernel, each with only the fields that these programs read, in any order: CO-RE finds the real offsets
 * in the running kernel's BTF. The constants are macros in the kernel, which BTF does not contain. */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include "wire.h"

typedef __s8 s8;
typedef __u8 u8;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
#ifndef NULL
#define NULL ((void *)0)
#endif

#define SIGKILL 9
#define SIGCHLD 17
#define SIGTERM 15
#define EPERM 1
#define EEXIST 17
#define E2BIG 7
#define EBUSY 16
#define SEND_SIG_PRIV 1              /* include/linux/signal.h: the kernel itself is the sender, there is no siginfo */
#define SIGNAL_GROUP_EXIT 0x00000004 /* include/linux/sched/signal.h */
#define PF_EXITING 0x00000004        /* include/linux/sched.h */
#define PF_MEMALLOC 0x00000800       /* include/linux/sched.h */
#define PF_KTHREAD 0x00200000        /* include/linux/sched.h */
#define PAGE_ALLOC_COSTLY_ORDER 3    /* include/linux/mmzone.h: above it the kernel kills nothing */
#define PSI_PERIOD_NS 2000000000ULL  /* kernel/sched/psi.c PSI_FREQ: PSI weighs CPUs over periods of this length */

enum kernel_limit {
	/* mm/internal.h: reclaims without progress after which mm/page_alloc.c and mm/memcontrol.c call the OOM killer.
	 */
	MAX_RECLAIM_RETRIES = 16,
	/* include/linux/memcontrol.h MEMCG_CHARGE_BATCH (32 before 6.1): pages that the kernel charges at once. A charge
	   may fail while usage is this much below the limit. */
	CHARGE_BATCH_PAGES = 64,
	/* USER_HZ is 100 on x86-64 and arm64. */
	NS_PER_TICK = 10000000,
};
WIRE_ENUM(kernel_limit);

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic_long_t;

/* mm */
struct percpu_counter {
	s64 count;
	s32 *counters;
};

struct mm_rss_stat { /* up to 6.1 */
	atomic_long_t count[4];
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct mm_struct {
	atomic_t mm_users;
	unsigned long total_vm;
	unsigned long arg_start;
	unsigned long arg_end;
	atomic_long_t pgtables_bytes;
	struct file *exe_file;
	struct percpu_counter rss_stat[4]; /* 6.2+ */
};

struct mm_struct___atomic { /* up to 6.1 */
	struct mm_rss_stat rss_stat;
};

/* cgroups */
struct kernfs_node {
	const char *name;
	u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct psi_group {
	struct psi_group *parent; /* 6.1+ */
	u64 avg_last_update;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct psi_group *psi; /* a struct before 6.1, NULL on cgroup v1 */
	struct cgroup_subsys_state *subsys[1];
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct page_counter {
	atomic_long_t usage;
	unsigned long high;
	unsigned long max;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	struct page_counter swap; /* a union with memsw, which cgroup v1 uses */
	bool oom_group;
	int oom_kill_disable; /* a bool since 6.2; only with cgroup v1 */
	atomic_long_t memory_events[1]; /* really MEMCG_NR_MEMORY_EVENTS; indexed by enum value from BTF */
};

enum memcg_memory_event {
	MEMCG_OOM = 3, /* CO-RE replaces this value: it depends on the kernel's version */
};

struct css_set {
	struct cgroup_subsys_state *subsys[1]; /* really CGROUP_SUBSYS_COUNT; indexed by enum value from BTF */
};

enum cgroup_subsys_id {
	memory_cgrp_id = 4, /* CO-RE replaces this value: it depends on the kernel's configuration */
};

/* tasks */
typedef struct {
	unsigned long bits[1];
} nodemask_t;

typedef struct {
	u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct list_head {
	struct list_head *next;
};

struct completion;

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one for each pid namespace, the initial namespace first */
};

struct signal_struct {
	struct list_head thread_head;
	atomic_t live;
	int nr_threads;
	unsigned int flags;
	short oom_score_adj;
};

struct task_struct {
	int pid;
	int tgid;
	unsigned int flags;
	unsigned in_iowait : 1;
	unsigned in_memstall : 1;
	char comm[16];
	u64 start_boottime;
	struct task_struct *group_leader;
	struct list_head tasks;       /* links the leaders of all processes, init_task first */
	struct list_head thread_node; /* links the threads of a process; the head is signal->thread_head */
	struct completion *vfork_done;
	struct task_struct *real_parent;
	struct pid *thread_pid;
	struct mm_struct *mm;
	struct signal_struct *signal;
	const struct cred *real_cred;
	struct css_set *cgroups;
	nodemask_t mems_allowed;
};

/* OOM: include/linux/oom.h */
enum oom_constraint {
	CONSTRAINT_NONE,
	CONSTRAINT_CPUSET,
	CONSTRAINT_MEMORY_POLICY,
	CONSTRAINT_MEMCG,
};
WIRE_ENUM(oom_constraint);

struct oom_control {
	nodemask_t *nodemask;
	struct mem_cgroup *memcg;
	u32 gfp_mask;
	int order;
	unsigned long totalpages;
	struct task_struct *chosen;
	long chosen_points;
	enum oom_constraint constraint;
};

/* BPF iterators */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct kernel_siginfo;

struct zoneref {
	struct zone *zone;
};

enum pid_type {
	PIDTYPE_PID,
	PIDTYPE_TGID,
};

/* mm/vmscan.c. The field exists since 6.0, the first kernel whose PSI does not count proactive reclaim. */
struct scan_control {
	unsigned int proactive : 1;
};

/* The kernel's struct of a BPF array map. read_rss() in compat.bpf.h finds the per-CPU offsets through it. */
struct bpf_array {
	void *pptrs[1];
};

#pragma clang attribute pop
