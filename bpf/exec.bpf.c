// SPDX-License-Identifier: GPL-2.0-only
/* Programs as they are executed (fs/exec.c, exec_binprm()): the process has its new name and program by now, and has not run
 * an instruction of it. What only forks has its parent's oom_score_adj, and needs nobody. */
#include "kernel.h"
#include "events.h"
#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

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

SEC("tp_btf/sched_process_exec") int BPF_PROG(process_exec, struct task_struct *task)
{
	return executed(task);
}

SEC("raw_tp/sched_process_exec") int BPF_PROG(process_exec_raw, struct task_struct *task)
{
	return executed(task);
}
