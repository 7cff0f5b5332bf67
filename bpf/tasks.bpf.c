// SPDX-License-Identifier: GPL-2.0-only
/* Lists all processes with their memory in one pass: a task iterator (since 5.8), which userspace reads like a file. */
#include "tasks.h"
#include "compat.bpf.h"
#include "process.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("iter/task") int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_row row = {};

	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid))
		return 0;
	row.pid = BPF_CORE_READ(task, tgid);
	row.ppid = BPF_CORE_READ(task, real_parent, tgid);
	row.uid = BPF_CORE_READ(task, real_cred, uid.val);
	row.oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	row.threads = BPF_CORE_READ(task, signal, nr_threads);
	row.start_ns = BPF_CORE_READ(task, start_boottime);
	BPF_CORE_READ_STR_INTO(&row.comm, task, comm);
	row.cgroup_id = memcg_id(task_memcg(task));
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD) {
		row.flags = TASK_KERNEL_THREAD;
	} else {
		struct mm_struct *mm = process_mm(task);
		if (mm) {
			row.flags = TASK_HAS_MEMORY;
			if (in_vfork(task, mm))
				row.flags |= TASK_VFORK;
			if (read_rss(mm, (s64 *)&row.rss, (s64 *)&row.rss_approx))
				row.flags |= TASK_EXACT;
			row.total_vm_pages = BPF_CORE_READ(mm, total_vm);
			row.page_table_bytes = BPF_CORE_READ(mm, pgtables_bytes.counter);
		}
	}
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}
