// SPDX-License-Identifier: GPL-2.0-only
/* Types of the kernel that only bpf/signals.bpf.c reads, as kernel.h has them for all programs. libbpf ignores what
 * follows "___" in a name: CO-RE finds `struct task_struct`. */
#pragma once

#include "kernel.h"

#define SIGNALS 64                /* _NSIG */
#define PF_EXITING 0x00000004     /* include/linux/sched.h */
#define TRACE_SIGNAL_DELIVERED 0  /* include/trace/events/signal.h */
#define TRACE_SIGNAL_IGNORED 1    /* the process ignores it, or is process 1 of a namespace without a handler */
#define TRACE_SIGNAL_ALREADY_PENDING 2
#define TRACE_SIGNAL_OVERFLOW_FAIL 3
#define SI_KERNEL 0x80
#define SI_TIMER -2 /* a timer of the process itself; -3 to -5: a message queue, AIO and SIGIO */
#define SI_SIGIO -5

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sigaction {
	void *sa_handler; /* 0: SIG_DFL, 1: SIG_IGN */
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[SIGNALS];
};

struct kernel_siginfo {
	int si_code;
	union {
		struct {
			union {
				void *sival_ptr;
			} _sigval;
		} _rt;
	} _sifields;
};

struct tty_struct {
	char name[64];
};

struct task_struct___signals {
	int exit_code;
	int pdeath_signal;
	unsigned int ptrace;
	kuid_t loginuid;
	unsigned int sessionid;
	struct task_struct *parent; /* the tracer, while one is attached */
	struct pid *thread_pid;
	struct sighand_struct *sighand;
};

struct signal_struct___signals {
	int group_exit_code;
	struct tty_struct *tty;
};

struct cgroup___signals {
	struct cgroup_subsys_state self;
};

struct css_set___signals {
	struct cgroup *dfl_cgrp;
};

#pragma clang attribute pop
