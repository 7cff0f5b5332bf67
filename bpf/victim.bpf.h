// SPDX-License-Identifier: GPL-2.0-only
/* Reads the facts about one kill into the record `kill`. */
#pragma once

#include "compat.bpf.h"

/* The record that is being filled. One global record is enough: the kernel holds oom_lock whenever its OOM killer
 * kills, marks or signals. The functions that fill it are global (__noinline), because the verifier then checks each of
 * them once; with inlined functions it needs 0.5 s more. */
struct oom_kill_record kill = {};

#define MAX_ORDER_SEEN 20
#define EXE_PARTS 24   /* most names plus mounts in the path of an executable */
#define LEVELS_AT_ONCE 16
#define SCAN_CHUNK 16  /* words of the stack that are read at once */
#define SCAN_CHUNKS 48 /* 6 KiB of stack: oom_control lies 0.4 to 1.2 KiB above the tracepoint's arguments */

__noinline int read_trigger(void)
{
	struct oom_kill_record *r = &kill;
	struct task_struct *current = (void *)bpf_get_current_task();
	u64 ids = bpf_get_current_pid_tgid();

	r->trigger_tid = (u32)ids;
	r->trigger_pid = ids >> 32;
	r->trigger_uid = BPF_CORE_READ(current, real_cred, uid.val);
	r->trigger_start_ns = BPF_CORE_READ(current, group_leader, start_boottime);
	r->trigger_cgroup_id = memcg_id(task_memcg(current));
	BPF_CORE_READ_STR_INTO(&r->trigger_comm, current, comm);
	r->mems_allowed = 0;
	if (bpf_core_field_exists(current->mems_allowed)) {
		r->mems_allowed = BPF_CORE_READ(current, mems_allowed.bits[0]);
		r->facts |= FACT_MEMS_ALLOWED;
	}
	return 0;
}

/* Appends the name of a dentry to kill.exe. Returns the new length. */
__noinline u32 append_name(u64 address, u32 length)
{
	struct dentry *dentry = (void *)address;

	if (length >= EXE_LEN)
		return length;
	barrier_var(length);
	long n = bpf_probe_read_kernel_str(&kill.exe[length & (EXE_LEN - 1)], EXE_LEN,
					   BPF_CORE_READ(dentry, d_name.name));
	return n > 0 ? length + n : length;
}

/* Reads the path of an executable, innermost part first, across mounts: the path that d_path() returns at the root of
 * the victim's mount namespace. (These programs may not call bpf_d_path().) */
__noinline int read_exe(u64 address)
{
	struct file *file = (void *)address;
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	u64 mount_offset = bpf_core_field_offset(struct mount, mnt);
	struct mount *mount = (void *)BPF_CORE_READ(file, f_path.mnt) - mount_offset;
	u32 length = 0;
	bool done = false;

	for (int i = 0; i < EXE_PARTS; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			done = above == mount || !above;
			if (done)
				break;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (parent == dentry)
			break;
		length = append_name((u64)dentry, length);
		dentry = parent;
	}
	kill.exe_length = length;
	if (length)
		kill.facts |= done && length < EXE_LEN ? FACT_EXE : FACT_EXE | FACT_EXE_CUT;
	return 0;
}

/* Reads the victim's pid in each of its pid namespaces. */
__noinline int read_pids(u64 address)
{
	struct task_struct *leader = (void *)address;
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	u64 numbers = (u64)pid + bpf_core_field_offset(struct pid, numbers);

	kill.victim_namespaces = 0;
	if (!pid)
		return 0;
	u32 deepest = BPF_CORE_READ(pid, level);
	if (deepest >= PID_NAMESPACES)
		return 0;
	for (u32 i = 0; i < PID_NAMESPACES && i <= deepest; i++) {
		struct upid *upid = (void *)(numbers + i * bpf_core_type_size(struct upid));
		kill.victim_pids[i] = BPF_CORE_READ(upid, nr);
	}
	kill.victim_namespaces = deepest + 1;
	return 0;
}

/* Reads the facts about the victim. Returns the address of its mm_struct, 0: the victim has none any more. */
__noinline u64 read_victim(u64 address)
{
	struct oom_kill_record *r = &kill;
	struct task_struct *task = (void *)address;
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct task_struct *current = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	r->facts |= FACT_TASK;
	r->victim_tid = BPF_CORE_READ(task, pid);
	r->victim_pid = BPF_CORE_READ(task, tgid);
	r->victim_ppid = BPF_CORE_READ(leader, real_parent, tgid);
	r->victim_uid = BPF_CORE_READ(task, real_cred, uid.val);
	r->victim_start_ns = BPF_CORE_READ(leader, start_boottime);
	r->victim_oom_score_adj = BPF_CORE_READ(task, signal, oom_score_adj);
	r->victim_threads = BPF_CORE_READ(task, signal, nr_threads);
	BPF_CORE_READ_STR_INTO(&r->victim_comm, task, comm);
	BPF_CORE_READ_STR_INTO(&r->victim_process_comm, leader, comm);
	read_pids((u64)leader);
	if (!mm)
		return 0;

	r->facts |= FACT_MM;
	r->victim_total_vm_pages = BPF_CORE_READ(mm, total_vm);
	r->victim_page_table_bytes = BPF_CORE_READ(mm, pgtables_bytes.counter);
	if (read_rss(mm, (s64 *)&r->victim_rss, (s64 *)&r->victim_rss_approx))
		r->facts |= FACT_RSS_EXACT;

	u64 exe = (u64)BPF_CORE_READ(mm, exe_file);
	if (exe)
		read_exe(exe);

	/* The command line is in user memory, which can be read only if the current task uses the victim's mm. */
	if (BPF_CORE_READ(current, mm) == mm) {
		u64 start = BPF_CORE_READ(mm, arg_start);
		u64 length = BPF_CORE_READ(mm, arg_end) - start;
		if (length > CMDLINE_LEN) {
			length = CMDLINE_LEN;
			r->facts |= FACT_CMDLINE_CUT;
		}
		if (length && !bpf_probe_read_user(r->cmdline, length, (void *)start)) {
			r->cmdline_length = length;
			r->facts |= FACT_CMDLINE;
		}
	}
	return (u64)mm;
}

/* Returns whether the struct at this address of the trigger's stack is an oom_control. The caller has compared
 * `chosen`; here the other fields must be plausible. A stack is full of pointers and return addresses, which as numbers
 * are out of range for every field: gfp flags end below bit 29, and sizes are in pages. (On 6.1 a return address looked
 * like order -1, which means SysRq.) This function and the next three are global, so that the verifier checks them once,
 * not once for each word of the stack. */
__noinline int is_oom_control(u64 address)
{
	struct oom_control *oc = (void *)address;
	int order = BPF_CORE_READ(oc, order);
	u32 gfp = BPF_CORE_READ(oc, gfp_mask);
	u32 constraint = BPF_CORE_READ(oc, constraint);
	u64 total = BPF_CORE_READ(oc, totalpages);
	s64 points = BPF_CORE_READ(oc, chosen_points);
	struct mem_cgroup *memcg = BPF_CORE_READ(oc, memcg);

	if (order < -1 || order > MAX_ORDER_SEEN || !gfp || gfp >> 29 || constraint > CONSTRAINT_MEMCG)
		return 0;
	if (!total || total >> 48)
		return 0;
	if ((points > 1LL << 48 && points != 0x7fffffffffffffffLL) || (points < -(1LL << 48) && points != 1LL << 63))
		return 0; /* LONG_MAX: swapoff. LONG_MIN: no process is chosen yet */
	if ((constraint == CONSTRAINT_MEMCG) != !!memcg)
		return 0;
	return !memcg || memcg_id(memcg);
}

/* Whether the struct at `candidate` is the oom_control whose `chosen`, read as `word`, is the wanted process. */
__noinline int is_wanted(u64 candidate, u64 word, u64 task, u64 leader, u32 pid)
{
	struct task_struct *chosen = (void *)word;

	if (task && word != task && word != leader)
		return 0;
	return is_oom_control(candidate) && (task || (u32)BPF_CORE_READ(chosen, pid) == pid);
}

/* Searches one chunk of the stack. Returns the address of the oom_control that chose `task` or, if `task` is 0, that
 * chose a process with this pid. 0: not found; -1: the stack ends here. */
__noinline u64 scan_chunk(u64 at, u64 task, u64 leader, u32 pid)
{
	u64 offset = bpf_core_field_offset(struct oom_control, chosen);
	u64 words[SCAN_CHUNK];

	if (bpf_probe_read_kernel(words, sizeof(words), (void *)at))
		return -1;
	for (int i = 0; i < SCAN_CHUNK; i++) {
		u64 word = words[i];
		u64 candidate = at + i * sizeof(u64) - offset;
		if ((s64)word < 0 && is_wanted(candidate, word, task, leader, pid)) /* a kernel address is negative */
			return candidate;
	}
	return 0;
}

/* Searches the stack for the kernel's description of the OOM. It is a local variable of a kernel function that called
 * this hook: `struct oom_control oc` in mem_cgroup_out_of_memory(), __alloc_pages_may_oom() and others. Those functions
 * pass its address on, so it is in memory, at a higher address of this stack, and its `chosen` points to the victim. On
 * kernels without fentry and kprobes there is no other way to get it. */
__noinline u64 find_oom_control(u64 stack, u64 task, u64 leader, u32 pid)
{
	for (int chunk = 0; chunk < SCAN_CHUNKS; chunk++) {
		u64 found = scan_chunk(stack + chunk * SCAN_CHUNK * sizeof(u64), task, leader, pid);
		if (found)
			return found == (u64)-1 ? 0 : found;
	}
	return 0;
}

/* Reads the oom_control. Returns the memcg whose limit was hit, 0: no limit was hit, or the limit is unknown. */
__noinline u64 read_domain(u64 address)
{
	struct oom_kill_record *r = &kill;
	struct oom_control *oc = (void *)address;
	nodemask_t *nodemask;

	r->domain_pages = 0;
	r->chosen_points = 0;
	r->nodemask = 0;
	if (!oc)
		return 0;
	r->facts = (r->facts | FACT_OOM_CONTROL) & ~FACT_RECLAIM;
	r->trigger_gfp = BPF_CORE_READ(oc, gfp_mask);
	r->trigger_order = BPF_CORE_READ(oc, order);
	r->domain_pages = BPF_CORE_READ(oc, totalpages);
	r->chosen_points = BPF_CORE_READ(oc, chosen_points);
	r->constraint = BPF_CORE_READ(oc, constraint);
	nodemask = BPF_CORE_READ(oc, nodemask);
	if (nodemask) {
		bpf_probe_read_kernel(&r->nodemask, sizeof(r->nodemask), nodemask);
		r->facts |= FACT_NODEMASK;
	}
	return (u64)BPF_CORE_READ(oc, memcg);
}

static __always_inline void fill_level(struct cgroup_level *level, char *name, struct mem_cgroup *memcg)
{
	struct kernfs_node *node = BPF_CORE_READ(memcg, css.cgroup, kn);

	level->id = BPF_CORE_READ(node, id);
	level->usage_pages = BPF_CORE_READ(memcg, memory.usage.counter);
	level->limit_pages = BPF_CORE_READ(memcg, memory.max);
	level->swap_pages = BPF_CORE_READ(memcg, swap.usage.counter);
	level->swap_limit_pages = BPF_CORE_READ(memcg, swap.max);
	level->oom_group = BPF_CORE_READ(memcg, oom_group);
	long n = bpf_probe_read_kernel_str(name, CGROUP_NAME_LEN, BPF_CORE_READ(node, name));
	level->name_length = n > 0 ? n - 1 : 0;
}

/* Returns a memcg's parent, 0: it has none. Global, so that the verifier checks it once, not once for each level. */
__noinline u64 memcg_above(u64 address)
{
	return (u64)memcg_parent((void *)address);
}

/* Returns the memcg that is LEVELS_AT_ONCE levels above, 0: there is none. A loop over levels goes in stretches, each a
 * global function, because the verifier checks every round of a loop: 16 + 16 rounds instead of 256. */
__noinline u64 memcg_far_above(u64 memcg)
{
	for (int i = 0; i < LEVELS_AT_ONCE && memcg; i++)
		memcg = memcg_above(memcg);
	return memcg;
}

/* Appends a memcg to kill.levels. Returns its parent. */
__noinline u64 append_level(u64 address)
{
	struct mem_cgroup *memcg = (void *)address;
	u32 at = kill.levels_length;

	barrier_var(at);
	at &= LEVELS_LEN - 8;
	struct cgroup_level *level = (void *)&kill.levels[at];
	fill_level(level, (char *)(level + 1), memcg);
	kill.levels_length = at + sizeof(*level) + ((level->name_length + 7) & ~7);
	return (u64)memcg_parent(memcg);
}

/* Appends LEVELS_AT_ONCE memcgs, as far as there is room. Returns the one to continue with, 0: there is none. */
__noinline u64 append_some(u64 memcg)
{
	for (int i = 0; i < LEVELS_AT_ONCE && memcg && kill.levels_length < LEVELS_LEN; i++)
		memcg = append_level(memcg);
	return memcg;
}

/* Reads the victim's cgroup and its ancestors. If the oom_control is unknown, the limit that was hit is not guessed
 * here: userspace infers it from the usage and limit of every level, and says that it is inferred. */
__noinline int read_levels(u64 task, u64 limit)
{
	struct oom_kill_record *r = &kill;
	struct mem_cgroup *first = task_memcg((void *)task);
	u64 memcg = (u64)first;

	if (limit) {
		fill_level(&r->limit, r->limit_name, (void *)limit);
		r->facts |= FACT_LIMIT;
	}
	if (!memcg)
		return 0;
	r->facts |= FACT_CGROUPS;
	if (BPF_CORE_READ(first, css.cgroup, root, hierarchy_id)) /* 0 is the hierarchy of cgroup v2 */
		r->facts |= FACT_CGROUP_V1;
	for (int i = 0; i < CGROUP_LEVELS / LEVELS_AT_ONCE; i++) {
		memcg = append_some(memcg);
		if (!memcg)
			return 0;
		if (r->levels_length >= LEVELS_LEN)
			break;
	}
	r->facts |= FACT_LEVELS_CUT;
	return 0;
}
