// SPDX-License-Identifier: GPL-2.0-only
/* Reports by which signal a process died, and which task sent it.
 *
 * Most signals kill no process. A signal is looked at only if its default action ends the process, the process has no
 * handler for it, and DEATHS_… wants it; every other signal costs two reads of memory. The sender is kept in a map until
 * the process ends: only then it is known of which signal the process died.
 *
 * A record with the details follows the signal at once, because a sender such as runc lives for milliseconds only. */
#include "kernel.h"
#include "signal-types.h"
#include "signals.h"
#include "maps.bpf.h"
#include "compat.bpf.h"
#include "tracepoint.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define EXE_DEPTH 24       /* names plus mounts in the path of a program */
#define CGROUP_DEPTH 40    /* levels of a cgroup's path */
#define PATH_LEN 1500      /* bytes of one path; the part that reaches this length is the last one */
#define STATUS_OF_SIGKILL (128 + SIGKILL)

const volatile u32 death_filter = DEATHS_SENT;
/* Bit N - 1: the default action of signal N ends the process. The loader clears the signals that it does not want. */
const volatile u64 fatal_signals = 0;
/* The same, for signals that also write a core file: the kernel starts the death when the process takes the signal, not
 * when it is sent (kernel/signal.c: complete_signal). */
const volatile u64 core_signals = 0;

struct signal_key {
	u32 pid;
	u32 signal;
};

struct sent {
	u64 victim_start_ns;
	u64 victim; /* its signal_struct */
	u64 ktime_ns;
	s32 code;
	u32 facts; /* enum signal_fact */
	struct signal_sender sender;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct signal_key);
	__type(value, struct sent);
} sent_signals SEC(".maps");

/* Which tracepoint reports the end of a process: see on_child_signal(). */
enum end_seen {
	AT_EXIT,
	AT_SIGCHLD,
	END_DRAFTS,
};

struct ended {
	u64 start_ns;
	u64 pid;
};

/* Processes whose end is reported. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct ended);
	__type(value, u32);
} reported SEC(".maps");

/* The records are filled here: they are larger than a program's stack. Interrupts are off while a signal is sent, and
 * the kernel skips a program that it would enter a second time on the same CPU. So one record for each program that
 * fills it is enough for a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct fatal_signal_record);
} signal_draft SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, END_DRAFTS);
	__type(key, u32); /* enum end_seen */
	__type(value, struct process_end_record);
} end_draft SEC(".maps");

static __always_inline struct fatal_signal_record *draft_of_signal(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&signal_draft, &zero);
}

static __always_inline struct process_end_record *draft_of_end(u32 seen)
{
	return bpf_map_lookup_elem(&end_draft, &seen);
}

static __always_inline u64 bit(int sig)
{
	return 1ULL << ((sig - 1) & 63);
}

/* ---- paths ---- */

/* Appends a string of the kernel to the text of this CPU's record. Returns the new length of the text. These functions
 * are global, so that the verifier checks each once, not once for each part of each path. */
__noinline u32 append_to_signal(u64 string, u32 length)
{
	struct fatal_signal_record *r = draft_of_signal();

	if (!r || length >= SIGNAL_TEXT_LEN)
		return length;
	barrier_var(length);
	long n = bpf_probe_read_kernel_str(&r->text[length & (SIGNAL_TEXT_LEN - 1)], SIGNAL_NAME_LEN, (void *)string);
	return n > 0 ? length + n : length;
}

__noinline u32 append_to_end(u64 string, u32 length, u32 seen)
{
	struct process_end_record *r = draft_of_end(seen);

	if (!r || length >= SIGNAL_TEXT_LEN)
		return length;
	barrier_var(length);
	long n = bpf_probe_read_kernel_str(&r->text[length & (SIGNAL_TEXT_LEN - 1)], SIGNAL_NAME_LEN, (void *)string);
	return n > 0 ? length + n : length;
}

#define CUT (1U << 31) /* in the result of the next two functions: the path's outermost parts are missing */

/* Appends the path of a process's program, across mounts: the path that d_path() returns at the root of the process's
 * mount namespace. Returns the new length of the text. */
__noinline u32 append_exe(u64 task, u32 length)
{
	struct file *file = BPF_CORE_READ((struct task_struct *)task, mm, exe_file);
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	u64 mount_offset = bpf_core_field_offset(struct mount, mnt);
	struct mount *mount = (void *)BPF_CORE_READ(file, f_path.mnt) - mount_offset;
	u32 start = length;

	if (!file)
		return length;
	for (int i = 0; i < EXE_DEPTH; i++) {
		struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);
		if (dentry == BPF_CORE_READ(mount, mnt.mnt_root)) {
			if (above == mount || !above)
				return length;
			dentry = BPF_CORE_READ(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (parent == dentry || length - start >= PATH_LEN)
			return length | CUT; /* detached from its mount, or too long */
		length = append_to_signal((u64)BPF_CORE_READ(dentry, d_name.name), length);
		dentry = parent;
	}
	return length | CUT;
}

/* The process's element in the hierarchy of memory cgroups. If it is in that hierarchy's root: its element in the
 * hierarchy of cgroup v2, where systemd has its units even if it does not limit their memory. */
static __always_inline struct cgroup_subsys_state *css_of(struct task_struct *task)
{
	u64 set = (u64)BPF_CORE_READ(task, cgroups);
	struct css_set___signals *v2 = (void *)set;

	if (!set)
		return NULL;
	struct cgroup_subsys_state *css = memory_css(set + bpf_core_field_offset(struct css_set, subsys));
	if (css && BPF_CORE_READ(css, parent))
		return css;
	u64 cgroup = (u64)BPF_CORE_READ(v2, dfl_cgrp);
	return cgroup ? (void *)(cgroup + bpf_core_field_offset(struct cgroup___signals, self)) : css;
}

#define TO_SIGNAL END_DRAFTS /* append_cgroup() writes to the record of a signal, not to that of an end */

/* Appends the path of the process's cgroup. The root has no part: its path is one empty string. to: an enum end_seen, or
 * TO_SIGNAL. */
__noinline u32 append_cgroup(u64 task, u32 length, u32 to)
{
	struct cgroup_subsys_state *css = css_of((struct task_struct *)task);
	u32 start = length;

	if (!css)
		return length;
	for (int i = 0; i < CGROUP_DEPTH; i++) {
		struct cgroup_subsys_state *parent = BPF_CORE_READ(css, parent);
		if (!parent && i > 0)
			return length;
		if (length - start >= PATH_LEN)
			return length | CUT;
		u64 name = (u64)BPF_CORE_READ(css, cgroup, kn, name);
		length = to == TO_SIGNAL ? append_to_signal(name, length) : append_to_end(name, length, to);
		if (!parent)
			return length;
		css = parent;
	}
	return length | CUT;
}

static __always_inline u32 path_set(struct signal_path *path, u32 start, u32 end)
{
	path->cut = !!(end & CUT);
	end &= ~CUT;
	path->offset = start;
	path->length = end - start;
	return end;
}

/* ---- the sender ---- */

static __always_inline u64 leader_of(struct task_struct *task)
{
	return (u64)BPF_CORE_READ(task, group_leader);
}

/* Whether the sender is process 1 of the victim's pid namespace or of one above it. When that process exits, the kernel
 * kills all others (kernel/pid_namespace.c: zap_pid_ns_processes). */
static __always_inline bool is_reaper_of(struct task_struct *sender, struct task_struct *victim)
{
	struct task_struct___signals *s = (void *)sender, *v = (void *)victim;
	struct pid *own = BPF_CORE_READ(s, thread_pid), *other = BPF_CORE_READ(v, thread_pid);
	u32 level = BPF_CORE_READ(own, level), deep = BPF_CORE_READ(other, level);
	u64 at = bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	struct upid *mine = (void *)((u64)own + at), *there = (void *)((u64)other + at);

	if (!own || !other || !level || deep < level)
		return false;
	return BPF_CORE_READ(mine, nr) == 1 && BPF_CORE_READ(mine, ns) == BPF_CORE_READ(there, ns);
}

static __always_inline u32 relation(struct task_struct *sender, struct task_struct *victim, int sig)
{
	struct task_struct___signals *v = (void *)victim;
	u32 tgid = BPF_CORE_READ(sender, tgid), facts = 0;

	if (BPF_CORE_READ(sender, flags) & PF_EXITING)
		facts |= SIGNAL_SENDER_EXITING;
	if (is_reaper_of((void *)leader_of(sender), (void *)leader_of(victim)))
		facts |= SIGNAL_SENDER_IS_REAPER;
	if (BPF_CORE_READ(v, ptrace) && (u32)BPF_CORE_READ(v, parent, tgid) == tgid)
		facts |= SIGNAL_SENDER_IS_TRACER;
	if ((u32)BPF_CORE_READ(victim, real_parent, tgid) == tgid)
		facts |= SIGNAL_SENDER_IS_PARENT;
	if (BPF_CORE_READ(v, pdeath_signal) == sig)
		facts |= SIGNAL_PARENT_DEATH;
	return facts;
}

__noinline int describe_ancestors(u64 address)
{
	struct fatal_signal_record *r = draft_of_signal();
	struct task_struct *task = (void *)address;

	if (!r)
		return 0;
	r->ancestor_count = 0;
	for (int i = 0; i < SIGNAL_ANCESTORS; i++) {
		struct task_struct *parent = (void *)leader_of(BPF_CORE_READ(task, real_parent));
		u32 pid = BPF_CORE_READ(parent, tgid);
		if (!pid || parent == task)
			break;
		struct signal_ancestor *a = &r->ancestors[i];
		a->pid = pid;
		a->uid = BPF_CORE_READ(parent, real_cred, uid.val);
		a->start_ns = BPF_CORE_READ(parent, start_boottime);
		BPF_CORE_READ_STR_INTO(&a->comm, parent, comm);
		r->ancestor_count = i + 1;
		task = parent;
	}
	return 0;
}

__noinline int describe_sender(u64 address)
{
	struct fatal_signal_record *r = draft_of_signal();
	struct task_struct *leader = (void *)address;
	struct task_struct___signals *task = (void *)leader;
	struct signal_struct___signals *signal = (void *)BPF_CORE_READ(leader, signal);
	struct tty_struct *tty = BPF_CORE_READ(signal, tty);

	if (!r)
		return 0;
	r->login_uid = r->session_id = -1;
	if (bpf_core_field_exists(task->loginuid)) {
		r->login_uid = BPF_CORE_READ(task, loginuid.val);
		r->session_id = BPF_CORE_READ(task, sessionid);
	}
	r->tty[0] = 0;
	if (tty)
		bpf_probe_read_kernel_str(r->tty, sizeof(r->tty), (void *)tty + bpf_core_field_offset(tty->name));
	return 0;
}

/* Sends what the map does not keep: the paths of both processes, and the sender's ancestors, login and terminal. */
static __always_inline void describe(const struct signal_key *key, const struct sent *sent, u64 value, u64 victim,
				     u64 sender)
{
	struct fatal_signal_record *r = draft_of_signal();
	u32 end = 0;

	if (!r)
		return;
	record_begin(&r->header, RECORD_FATAL_SIGNAL);
	r->header.ktime_ns = sent->ktime_ns;
	r->victim_start_ns = sent->victim_start_ns;
	r->victim_pid = key->pid;
	r->signal = key->signal;
	r->code = sent->code;
	r->facts = sent->facts;
	r->value = value;
	r->sender = sent->sender;
	describe_sender(sender);
	describe_ancestors(sender);
	end = path_set(&r->sender_exe, end, append_exe(sender, end));
	end = path_set(&r->sender_cgroup, end, append_cgroup(sender, end, TO_SIGNAL));
	end = path_set(&r->victim_exe, end, append_exe(victim, end));
	end = path_set(&r->victim_cgroup, end, append_cgroup(victim, end, TO_SIGNAL));
	if (end > sizeof(r->text))
		end = sizeof(r->text);
	r->text_length = end;
	record_send(&r->header, RECORD_FATAL_SIGNAL, offsetof(struct fatal_signal_record, text) + end,
		    BPF_RB_FORCE_WAKEUP);
}

/* ---- kernel/signal.c: __send_signal_locked() ---- */

static __always_inline bool has_default_action(struct task_struct *task, int sig)
{
	struct task_struct___signals *t = (void *)task;
	u64 actions = (u64)BPF_CORE_READ(t, sighand) + bpf_core_field_offset(struct sighand_struct, action);
	struct k_sigaction *action = (void *)(actions + (u32)(sig - 1) * bpf_core_type_size(struct k_sigaction));

	return !BPF_CORE_READ(action, sa.sa_handler);
}

static __always_inline bool is_wanted(struct task_struct *task, int sig, u64 info, s32 code, u32 sender)
{
	if (sig == SIGKILL || death_filter == DEATHS_ALL)
		return true;
	if (info == SEND_SIG_PRIV || code > 0 || (code <= SI_TIMER && code >= SI_SIGIO))
		return false; /* the kernel sent it: a fault, a terminal, a timer */
	return sender != (u32)BPF_CORE_READ(task, tgid);
}

/* Whether this sender is known already to have sent this signal, and the process is not dying of it: the signal waits,
 * because it is blocked. A process that takes its signals with sigwait(3) or a signalfd gets many. */
static __always_inline bool is_repeated(struct task_struct *task, int sig, u32 sender)
{
	struct signal_key key = { .pid = BPF_CORE_READ(task, tgid), .signal = sig };
	struct sent *before = bpf_map_lookup_elem(&sent_signals, &key);

	if (!before || before->sender.pid != sender || before->facts & SIGNAL_AT_ONCE || core_signals & bit(sig))
		return false;
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	return before->victim == (u64)signal && !(BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT);
}

static __always_inline int on_signal(int sig, void *siginfo, void *target, int group, int result)
{
	struct task_struct *task = target;

	if (result == TRACE_SIGNAL_IGNORED || result == TRACE_SIGNAL_OVERFLOW_FAIL)
		return 0;
	if (sig < 1 || sig > SIGNALS || !(fatal_signals & bit(sig)))
		return 0;
	if (sig != SIGKILL && !has_default_action(task, sig))
		return 0;
	u64 ids = bpf_get_current_pid_tgid();
	if (is_repeated(task, sig, ids >> 32))
		return 0;

	struct sent fresh = { .facts = SIGNAL_KNOWN };
	u64 info = as_number(siginfo);
	struct kernel_siginfo *details = (void *)info;
	if (info > SEND_SIG_PRIV)
		fresh.code = BPF_CORE_READ(details, si_code);
	if (!is_wanted(task, sig, info, fresh.code, ids >> 32))
		return 0;

	task = (void *)as_number(target);
	struct task_struct *leader = (void *)leader_of(task);
	struct signal_struct___signals *exit = (void *)BPF_CORE_READ(task, signal);
	struct signal_key key = { .pid = BPF_CORE_READ(task, tgid), .signal = sig };
	fresh.victim = (u64)exit;
	fresh.victim_start_ns = BPF_CORE_READ(leader, start_boottime);
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT && BPF_CORE_READ(exit, group_exit_code) == sig)
		fresh.facts |= SIGNAL_AT_ONCE;

	/* The process dies of the first of several equal signals. */
	struct sent *before = bpf_map_lookup_elem(&sent_signals, &key);
	if (before && before->victim_start_ns == fresh.victim_start_ns &&
	    (result == TRACE_SIGNAL_ALREADY_PENDING || before->facts & SIGNAL_AT_ONCE))
		return 0;

	struct task_struct *current = (void *)bpf_get_current_task(), *sender = (void *)leader_of(current);
	fresh.ktime_ns = bpf_ktime_get_ns();
	if (info == SEND_SIG_PRIV)
		fresh.facts |= SIGNAL_FROM_KERNEL;
	if (!info)
		fresh.facts |= SIGNAL_WITHOUT_INFO;
	if (group)
		fresh.facts |= SIGNAL_TO_GROUP;
	fresh.facts |= relation(current, task, sig);
	fresh.sender.pid = ids >> 32;
	fresh.sender.tid = (u32)ids;
	fresh.sender.uid = BPF_CORE_READ(current, real_cred, uid.val);
	fresh.sender.start_ns = BPF_CORE_READ(sender, start_boottime);
	BPF_CORE_READ_STR_INTO(&fresh.sender.comm, sender, comm);
	bool certain = sig == SIGKILL || fresh.facts & SIGNAL_AT_ONCE || core_signals & bit(sig);
	if (certain)
		fresh.facts |= SIGNAL_DESCRIBED;
	bpf_map_update_elem(&sent_signals, &key, &fresh, BPF_ANY);
	if (certain) {
		u64 value = fresh.code == SI_KERNEL ? (u64)BPF_CORE_READ(details, _sifields._rt._sigval.sival_ptr) : 0;
		describe(&key, &fresh, value, (u64)leader, (u64)sender);
	}
	return 0;
}

/* ---- kernel/exit.c: do_exit() ---- */

static __always_inline void namespace_of(struct process_end_record *r, struct task_struct *leader)
{
	struct task_struct___signals *task = (void *)leader;
	struct pid *pid = BPF_CORE_READ(task, thread_pid);

	r->namespace_level = BPF_CORE_READ(pid, level);
	u64 at = bpf_core_field_offset(struct pid, numbers) + r->namespace_level * bpf_core_type_size(struct upid);
	struct upid *number = (void *)((u64)pid + at);
	r->namespace_pid = BPF_CORE_READ(number, nr);
}

__noinline int report_end(u64 address, u32 status, u32 seen)
{
	struct process_end_record *r = draft_of_end(seen);
	struct task_struct *leader = (void *)address;
	struct task_struct___signals *extra = (void *)leader;
	struct sent *sent = NULL;
	u32 signal = status & 0x7f, end = 0;

	if (!r)
		return 0;
	namespace_of(r, leader);
	if (!signal && !(r->namespace_level && r->namespace_pid == 1))
		return 0;
	r->pid = BPF_CORE_READ(leader, tgid);
	r->start_ns = BPF_CORE_READ(leader, start_boottime);
	struct signal_key key = { .pid = r->pid, .signal = signal };
	if (signal)
		sent = bpf_map_lookup_elem(&sent_signals, &key);
	if (sent && sent->victim_start_ns != r->start_ns)
		sent = NULL; /* the pid was another process's */
	if (signal && signal != SIGKILL && !sent && death_filter != DEATHS_ALL)
		return 0;
	/* The lookup comes first: an update takes a free element before it looks for the key, and may drop the very element
	 * with this key for it. Other errors than EEXIST mean that the map's lock was busy (EBUSY; ETIMEDOUT and EDEADLK
	 * since 6.15). Before 6.4 only the lower half of the result is valid. */
	struct ended ended = { .start_ns = r->start_ns, .pid = r->pid };
	if (bpf_map_lookup_elem(&reported, &ended))
		return 0;
	if ((s32)bpf_map_update_elem(&reported, &ended, &status, BPF_NOEXIST) == -EEXIST)
		return 0;
	r->facts = r->code = r->sent_ktime_ns = 0;
	__builtin_memset(&r->sender, 0, sizeof(r->sender));
	if (sent) {
		r->facts = sent->facts;
		r->code = sent->code;
		r->sent_ktime_ns = sent->ktime_ns;
		r->sender = sent->sender;
		bpf_map_delete_elem(&sent_signals, &key);
	}
	r->status = status;
	r->ppid = BPF_CORE_READ(leader, real_parent, tgid);
	r->uid = BPF_CORE_READ(leader, real_cred, uid.val);
	r->tracer_pid = BPF_CORE_READ(extra, ptrace) ? BPF_CORE_READ(extra, parent, tgid) : 0;
	BPF_CORE_READ_STR_INTO(&r->comm, leader, comm);
	BPF_CORE_READ_STR_INTO(&r->parent_comm, leader, real_parent, comm);
	if (!(r->facts & SIGNAL_DESCRIBED))
		end = append_cgroup(address, 0, seen);
	end = path_set(&r->cgroup, 0, end);
	if (end > sizeof(r->text))
		end = sizeof(r->text);
	r->text_length = end;
	record_begin(&r->header, RECORD_PROCESS_END);
	return record_send(&r->header, RECORD_PROCESS_END, offsetof(struct process_end_record, text) + end,
			   BPF_RB_FORCE_WAKEUP);
}

static __always_inline int on_exit(struct task_struct *task, u32 seen)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct task_struct___signals *extra = (void *)leader;
	struct signal_struct___signals *exit = (void *)BPF_CORE_READ(task, signal);
	/* As wait_task_zombie() in kernel/exit.c computes the status. */
	u32 status = BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT ? BPF_CORE_READ(exit, group_exit_code) :
									      BPF_CORE_READ(extra, exit_code);
	u32 signal = status & 0x7f;

	if (signal ? !(fatal_signals & bit(signal)) : status != STATUS_OF_SIGKILL << 8)
		return 0;
	return report_end((u64)leader, status, seen);
}

/* The tracepoint's arguments: (task) up to 6.12, (task, group_dead) since 6.16. */
TRACEPOINT(process_end_1, "sched_process_exit", BPF_CORE_READ(task, signal, live.counter) ? 0 : on_exit(task, AT_EXIT),
	   struct task_struct *task)
TRACEPOINT(process_end_2, "sched_process_exit", group_dead ? on_exit(task, AT_EXIT) : 0, struct task_struct *task,
	   bool group_dead)

/* By 7.2 the program on sched_process_exit may be preempted, for example by the reader of its own record. Until it runs
 * again, the kernel skips it for every process that exits on the same CPU (a program's `active` counter in
 * kernel/trace/bpf_trace.c: __bpf_trace_run()). The processes of a cgroup with memory.oom.group exit all at once. A
 * little later the exiting process sends SIGCHLD to its parent, with interrupts off, so that no program is skipped. If
 * the parent ignores SIGCHLD, none is sent (kernel/signal.c: do_notify_parent()). */
__noinline int on_child_signal(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, signal, live.counter) ? 0 : on_exit(task, AT_SIGCHLD);
}

TRACEPOINT(signal_generate, "signal_generate",
	   sig == SIGCHLD ? on_child_signal() : on_signal(sig, info, task, group, result), int sig,
	   struct kernel_siginfo *info, struct task_struct *task, int group, int result)
