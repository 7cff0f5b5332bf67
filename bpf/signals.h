// SPDX-License-Identifier: GPL-2.0-only
/* The records of bpf/signals.bpf.c: a signal that a process will die of, and the end of a process. */
#pragma once

#include "events.h"

#define SIGNAL_ANCESTORS 8   /* the sender's parent, its parent, and so on */
#define SIGNAL_TEXT_LEN 8192 /* bytes of all paths of a record together */
#define SIGNAL_NAME_LEN 256  /* bytes of one part of a path, with its NUL: NAME_MAX is 255 */
#define SIGNAL_TTY_LEN 32

/* Which deaths are reported. The loader sets it as a constant of the programs. */
enum death_filter {
	DEATHS_SIGKILL, /* by SIGKILL */
	DEATHS_SENT,    /* the same, and by each other signal that another process sent */
	DEATHS_ALL,     /* by any signal: crashes, Ctrl-C and SIGPIPE, too */
};
WIRE_ENUM(death_filter);

/* How a signal was sent. */
enum signal_fact {
	SIGNAL_FROM_KERNEL = 1 << 0,       /* SEND_SIG_PRIV: the kernel itself, such as its OOM killer */
	SIGNAL_WITHOUT_INFO = 1 << 1,      /* SEND_SIG_NOINFO: the kernel, for the current process: cgroup.kill, ptrace */
	SIGNAL_TO_GROUP = 1 << 2,          /* to the thread group, not to one thread */
	SIGNAL_AT_ONCE = 1 << 3,           /* the process was dying of it when send_signal() returned */
	SIGNAL_SENDER_EXITING = 1 << 4,    /* PF_EXITING: the current task sent it while it was exiting */
	SIGNAL_SENDER_IS_REAPER = 1 << 5,  /* process 1 of the victim's pid namespace, or of one above it */
	SIGNAL_SENDER_IS_TRACER = 1 << 6,  /* the sender traces the victim with ptrace(2) */
	SIGNAL_SENDER_IS_PARENT = 1 << 7,  /* the sender is the victim's parent */
	SIGNAL_PARENT_DEATH = 1 << 8,      /* the victim asked for this signal with PR_SET_PDEATHSIG */
	SIGNAL_DESCRIBED = 1 << 9,         /* a fatal_signal_record was sent, or counted as lost */
	SIGNAL_KNOWN = 1 << 10,            /* the sender was seen; without this bit nothing here is set */
};
WIRE_ENUM(signal_fact);

/* The task that was current when the signal was sent. */
struct signal_sender {
	__u64 start_ns; /* of the process, since boot, time in suspend included */
	__u32 pid;      /* 0: an interrupt of an idle CPU */
	__u32 tid;
	__u32 uid;
	__u32 reserved;
	char comm[TASK_COMM_LEN]; /* of the process, not of the thread */
};

struct signal_ancestor {
	__u64 start_ns;
	__u32 pid;
	__u32 uid;
	char comm[TASK_COMM_LEN];
};

/* A path in `text` of a record: its parts, innermost first, each ended by NUL. */
struct signal_path {
	__u16 offset;
	__u16 length; /* 0: unknown */
	__u8 cut;     /* 1: the outermost parts are missing */
	__u8 reserved[3];
};

/* The facts of a signal that a process will die of, at the moment when it is sent. */
struct fatal_signal_record {
	struct record_header header;
	__u64 victim_start_ns;
	__u32 victim_pid;
	__u32 signal;
	__s32 code;  /* si_code; 0 without siginfo */
	__u32 facts; /* enum signal_fact */
	__u64 value; /* si_value of a signal that the kernel sent with siginfo; else 0 */
	struct signal_sender sender;
	__u32 login_uid;  /* (uint32_t)-1: the sender was not started by a login, or the kernel does not know */
	__u32 session_id; /* the same */
	struct signal_ancestor ancestors[SIGNAL_ANCESTORS];
	char tty[SIGNAL_TTY_LEN]; /* the sender's controlling terminal; empty: it has none */
	struct signal_path sender_exe;
	struct signal_path sender_cgroup;
	struct signal_path victim_exe;
	struct signal_path victim_cgroup;
	__u8 ancestor_count;
	__u8 reserved[5];
	__u16 text_length;
	char text[SIGNAL_TEXT_LEN + SIGNAL_NAME_LEN]; /* only text_length bytes are sent */
};
WIRE_STRUCT(fatal_signal_record);

/* A process has ended by a signal; or process 1 of a pid namespace has exited with status 137, which is how a shell
 * passes on that its child was killed. */
struct process_end_record {
	struct record_header header;
	__u64 start_ns;
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	__u32 status;           /* as wait(2) returns it */
	__u32 namespace_pid;    /* the pid in its own pid namespace */
	__u32 namespace_level;  /* 0: the initial pid namespace */
	__u64 sent_ktime_ns;    /* when the signal was sent; 0: unknown */
	__s32 code;
	__u32 facts; /* enum signal_fact */
	struct signal_sender sender;
	__u32 tracer_pid; /* 0: no process traces it */
	char comm[TASK_COMM_LEN];
	char parent_comm[TASK_COMM_LEN];
	struct signal_path cgroup; /* only if no fatal_signal_record has it */
	__u8 reserved[2];
	__u16 text_length;
	char text[SIGNAL_TEXT_LEN + SIGNAL_NAME_LEN]; /* only text_length bytes are sent */
};
WIRE_STRUCT(process_end_record);

_Static_assert(sizeof(struct signal_sender) == 40, "sender");
