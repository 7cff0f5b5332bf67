// SPDX-License-Identifier: GPL-2.0-only
/* Sends a record for each execve(). The hook (fs/exec.c, exec_binprm()) runs when the process has its new name and
 * program, before the program's first instruction. A process that only forks has its parent's oom_score_adj and needs
 * no record. */
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"
#include "tracepoint.bpf.h"
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

static __always_inline int executed(struct task_struct *task)
{
	struct process_exec_record r = {};

	record_begin(&r.header, RECORD_PROCESS_EXEC);
	r.pid = BPF_CORE_READ(task, tgid);
	r.ppid = BPF_CORE_READ(task, real_parent, tgid);
	r.uid = BPF_CORE_READ(task, real_cred, uid.val);
	r.oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	r.start_ns = BPF_CORE_READ(task, start_boottime);
	BPF_CORE_READ_STR_INTO(&r.comm, task, comm);
	return record_send(&r.header, RECORD_PROCESS_EXEC, sizeof(r), BPF_RB_FORCE_WAKEUP);
}

TRACEPOINT(process_exec, "sched_process_exec", executed(task), struct task_struct *task)
