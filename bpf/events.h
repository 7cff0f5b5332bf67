// SPDX-License-Identifier: GPL-2.0-only
/* The records that the BPF programs send, and what their fields mean. The layout is written once, here and in the
 * headers that include this one; scripts/layout.ts derives the TypeScript views from the BTF of the compiled object.
 *
 * Widths are fixed, padding is explicit, names carry units. A page is the kernel's page (4 KiB on x86-64).
 *
 * To add a record: append RECORD_NAME before RECORD_KINDS, and define and mark `struct name_record`. */
#pragma once

#include <linux/types.h>
#include "wire.h"

#define TASK_COMM_LEN 16
#define CGROUP_NAME_LEN 256 /* bytes of a cgroup's name, with its NUL: kernfs allows no longer one (NAME_MAX) */
#define CGROUP_LEVELS 256   /* the victim's cgroup and its ancestors */
#define LEVELS_LEN 32768    /* bytes for all levels with their names: a power of two */
#define PID_NAMESPACES 8    /* levels of pid namespaces; the kernel allows 32 */
#define EXE_LEN 256         /* bytes of an executable's path */
#define CMDLINE_LEN 1024
#define CANDIDATES 10 /* the list of candidates has at most this many processes, those with the highest badness */

/* The number of a kind is also the kind's index in counters.lost[]. */
enum record_kind {
	RECORD_OOM_KILL = 1,
	RECORD_OOM_STEP = 2,
	RECORD_SYNTHETIC = 3, /* only from bpf/flood.bpf.c, for tests and benchmarks */
	RECORD_OOM_CANDIDATES = 4,
	RECORD_OOM_IMMINENT = 5,
	RECORD_LOG_LINE = 6,       /* from bpf/report.bpf.c */
	RECORD_PRESSURE_STALL = 7, /* this and the next three come from bpf/pressure.bpf.c: see pressure.h */
	RECORD_PRESSURE_LEVEL = 8,
	RECORD_PRESSURE_COUNTDOWN = 9,
	RECORD_PRESSURE_GROUP = 10,
	RECORD_GUARD_TRIGGER = 11, /* this and the next come from bpf/guard.bpf.c: see guard.h */
	RECORD_GUARD_SIGNAL = 12,
	RECORD_PROCESS_EXEC = 13, /* from bpf/exec.bpf.c */
	RECORD_FATAL_SIGNAL = 14, /* this and the next come from bpf/signals.bpf.c: see signals.h */
	RECORD_PROCESS_END = 15,
	RECORD_OOM_ATTEMPT = 16,
	RECORD_REHEARSAL = 17, /* made by this process itself: see bpf/rehearsal.bpf.h */
	RECORD_KINDS,
};
WIRE_ENUM(record_kind);

/* The map that was full when a stall began. The stall is then missing from the pressure totals. */
enum full_map {
	FULL_MAP_STALL_TASK,  /* `stalls`: one element for each stalled task */
	FULL_MAP_STALL_GROUP, /* `groups`: one element for each cgroup */
	FULL_MAPS,
};
WIRE_ENUM(full_map);

enum kill_kind {
	KILL_KILLED = 1,        /* SIGKILL, then oom:mark_victim */
	KILL_ALREADY_DYING = 2, /* mark_victim alone: the kernel lets a task that is exiting use the memory reserves */
	KILL_GROUP_MEMBER = 3,  /* killed because memory.oom.group is set: the kernel kills the whole cgroup */
	KILL_SHARED_MEMORY = 4, /* SIGKILL alone: another process that shares the victim's memory */
};
WIRE_ENUM(kill_kind);

enum oom_step {
	STEP_REAPER_WAKE = 1,
	STEP_REAPER_START = 2,
	STEP_REAPER_FINISH = 3,
	STEP_REAPER_SKIP = 4,
	STEP_EXIT = 5,    /* the last thread of the victim is exiting */
	STEP_MM_GONE = 6, /* the address space has been torn down */
};
WIRE_ENUM(oom_step);

/* Which fields of a kill are set. A field whose fact is not set is unknown, never zero. */
enum kill_fact {
	FACT_TASK = 1 << 0,        /* the victim's task_struct was read */
	FACT_MM = 1 << 1,          /* total_vm, RSS, swap, page tables */
	FACT_RSS_EXACT = 1 << 2,   /* rss_*_pages are sums over all CPUs, not the approximate counter */
	FACT_CGROUPS = 1 << 3,     /* levels[] */
	FACT_OOM_CONTROL = 1 << 4, /* constraint, order, gfp, domain size and limit were read from the oom_control */
	FACT_RECLAIM = 1 << 5,     /* gfp and order were taken from the trigger's last reclaim */
	FACT_LIMIT = 1 << 6,       /* the field `limit` describes the cgroup whose limit was hit */
	FACT_EXE = 1 << 7,
	FACT_CMDLINE = 1 << 8,
	FACT_CMDLINE_CUT = 1 << 9,
	FACT_EXE_CUT = 1 << 10,
	FACT_LEVELS_CUT = 1 << 11, /* the upper ancestors did not fit into CGROUP_LEVELS or LEVELS_LEN */
	FACT_NODEMASK = 1 << 12,   /* the allocation carried a nodemask */
	FACT_MEMS_ALLOWED = 1 << 13,
	FACT_CGROUP_V1 = 1 << 14,  /* the memory controller is on cgroup v1: a level's swap_pages count memory plus swap */
	FACT_CANDIDATES = 1 << 15, /* an oom_candidates_record follows */
};
WIRE_ENUM(kill_fact);

struct record_header {
	__u16 kind; /* enum record_kind */
	__u16 size; /* bytes, header included */
	__u32 cpu;
	__u64 sequence; /* counted per CPU, lost records included: a gap in the numbers shows a loss */
	__u64 ktime_ns; /* CLOCK_MONOTONIC */
};

struct rss_pages {
	__s64 file;
	__s64 anon;
	__s64 swap;
	__s64 shmem;
};

struct cgroup_level {
	__u64 id;
	__u64 usage_pages;
	__u64 limit_pages;
	__u64 swap_pages; /* cgroup v2: swap; v1: memory plus swap */
	__u64 swap_limit_pages;
	__u16 name_length; /* the name follows the struct, without NUL, padded to a multiple of 8 bytes */
	__u8 oom_group;
	__u8 reserved[5];
};
WIRE_STRUCT(cgroup_level);

struct oom_kill_record {
	struct record_header header;
	__u32 facts; /* enum kill_fact */
	__u8 kill_kind;
	__u8 constraint;           /* enum oom_constraint */
	__u8 victim_namespaces;    /* used elements of victim_pids[], 0: unknown */
	__u8 reserved0;
	__u64 signal_ktime_ns; /* 0: no SIGKILL was sent */

	/* the victim */
	__u32 victim_tid; /* the marked thread, which the kernel's log calls pid */
	__u32 victim_pid;
	__u32 victim_ppid;
	__u32 victim_uid;
	__u64 victim_start_ns; /* start time since boot, time in suspend included */
	__s32 victim_oom_score_adj;
	__u32 victim_threads;
	__u64 victim_total_vm_pages;
	__u64 victim_page_table_bytes;
	struct rss_pages victim_rss;        /* exact if FACT_RSS_EXACT is set */
	struct rss_pages victim_rss_approx; /* shared part of the per-CPU counters, which kernels 6.2 to 6.x print */
	char victim_comm[TASK_COMM_LEN];    /* comm of the marked thread */
	char victim_process_comm[TASK_COMM_LEN]; /* comm of the thread-group leader */
	__u32 victim_pids[PID_NAMESPACES]; /* its pid in each pid namespace, the initial namespace first */

	/* the trigger: the task whose allocation made the kernel call its OOM killer */
	__u32 trigger_tid;
	__u32 trigger_pid;
	__u32 trigger_uid;
	__s32 trigger_order; /* -1: a user requested the kill with SysRq-f */
	__u64 trigger_cgroup_id;
	__u64 trigger_start_ns;
	__u32 trigger_gfp;
	__u32 reserved1;
	char trigger_comm[TASK_COMM_LEN];

	/* the domain that ran out of memory: a memory cgroup, a cpuset, some NUMA nodes or the system */
	__u64 domain_pages;
	__s64 chosen_points;
	__u64 nodemask;
	__u64 mems_allowed;
	struct cgroup_level limit;
	char limit_name[CGROUP_NAME_LEN];

	__u16 exe_length;
	__u16 cmdline_length;
	__u32 levels_length; /* used bytes of levels[] */
	/* Path components, innermost first, each ended by NUL. The second half stays unused: the verifier requires it. */
	char exe[2 * EXE_LEN];
	char cmdline[CMDLINE_LEN];
	/* For each level, the victim's cgroup first: a struct cgroup_level and its name. Only the used bytes are sent. The
	 * verifier requires the space for one more level. */
	char levels[LEVELS_LEN + sizeof(struct cgroup_level) + CGROUP_NAME_LEN];
};
WIRE_STRUCT(oom_kill_record);

struct oom_step_record {
	struct record_header header;
	__u32 tid; /* the tracepoint's argument */
	__u32 pid;
	__u8 step; /* enum oom_step */
	__u8 reserved[7];
	__u64 limit_id; /* the cgroup whose limit was hit, 0: no limit was hit, or the cgroup no longer exists */
	__u64 limit_usage_pages;
};
WIRE_STRUCT(oom_step_record);

/* One process that the kernel could have killed. */
struct candidate {
	__u32 pid;
	__u32 uid;
	__s32 oom_score_adj;
	__u32 reserved;
	__s64 points; /* oom_badness(): pages, oom_score_adj included */
	__u64 page_table_bytes;
	struct rss_pages rss; /* the counts from which this kernel computes the points */
	char comm[TASK_COMM_LEN];
};

struct oom_candidates_record {
	struct record_header header;
	__u32 victim_tid; /* the same as in the oom_kill_record to which this list belongs */
	__u32 considered; /* number of processes that the kernel could have chosen */
	__u32 count;      /* used elements of candidates[], which has the highest points first */
	__u32 cut;        /* 1: there were too many processes to look at all of them */
	struct candidate candidates[CANDIDATES];
};
WIRE_STRUCT(oom_candidates_record);

/* For which kills the list of candidates is sent. The loader sets it as a constant of the program. */
enum candidates_mode {
	CANDIDATES_NEVER,
	CANDIDATES_SYSTEM, /* only for kills that no cgroup's limit caused */
	CANDIDATES_ALWAYS,
};
WIRE_ENUM(candidates_mode);

/* Reclaim frees nothing: the kernel is a fraction of a millisecond away from its OOM killer, or from giving up. */
struct oom_imminent_record {
	struct record_header header;
	__u32 trigger_tid;
	__u32 fruitless_rounds;
};
WIRE_STRUCT(oom_imminent_record);

/* A task at the limit of its cgroup has reclaimed MAX_RECLAIM_RETRIES times without success, so that the kernel calls its
 * OOM killer next. If no kill follows, the cgroup is stuck. */
struct oom_attempt_record {
	struct record_header header;
	__u32 trigger_tid;
	__u32 trigger_pid;
	__u64 trigger_start_ns; /* start time since boot, time in suspend included */
	char trigger_comm[TASK_COMM_LEN];
	__u64 limit_id; /* the innermost cgroup at its limit */
	__u64 usage_pages;
	__u64 limit_pages;
	__u64 ooms; /* how often the kernel called its OOM killer for this cgroup (MEMCG_OOM) */
	__u32 fruitless_rounds;
	__u8 ooms_known;       /* 1: `ooms` is set */
	__u8 oom_kill_disable; /* cgroup v1: memory.oom_control */
	__u8 reserved[2];
};
WIRE_STRUCT(oom_attempt_record);

#define REHEARSAL_LEN 4064 /* bytes for the records in a rehearsal */

/* Invented records of a kill, which the reading process sends to itself through the ring. Their kind is hidden in this
 * record, so no reader takes them for records of a real kill. The sequence number is 0. */
struct rehearsal_record {
	struct record_header header;
	__u32 length; /* used bytes of records[] */
	__u32 reserved;
	char records[REHEARSAL_LEN];
};
WIRE_STRUCT(rehearsal_record);

#define LOG_TEXT_LEN 1024 /* PRINTKRB_RECORD_MAX, the longest line of the kernel's log */

enum log_line_flag {
	LINE_ENDS = 1 << 0,      /* the line ends here; otherwise the next record continues it (KERN_CONT) */
	LINE_FORMATTED = 1 << 1, /* the text starts with the console's prefix, as on kernels before 5.19 */
	LINE_FIRST = 1 << 2,     /* the first line of a report */
	LINE_LAST = 1 << 3,      /* the last line of a report: it names the victim, or says that there is none */
};
WIRE_ENUM(log_line_flag);

/* One line, or part of a line, of the kernel's report of an OOM. */
struct log_line_record {
	struct record_header header;
	__u64 printer_start_ns; /* start time since boot, time in suspend included */
	__u32 printer_tid;      /* the task that printed the line: the trigger, or with LINE_FORMATTED any task */
	__u16 length;
	__u8 flags; /* enum log_line_flag */
	__u8 reserved;
	char text[LOG_TEXT_LEN];
};
WIRE_STRUCT(log_line_record);

/* A process executed another program. Its name and arguments changed; its pid and start time are the same as before. */
struct process_exec_record {
	struct record_header header;
	__u64 start_ns; /* start time since boot, time in suspend included */
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	__s32 oom_score_adj;
	char comm[TASK_COMM_LEN];
};
WIRE_STRUCT(process_exec_record);

struct synthetic_record {
	struct record_header header;
	__u64 number;
	__u64 payload;
};
WIRE_STRUCT(synthetic_record);

/* The value of the counters map, one for each CPU. */
struct counters {
	__u64 sequence;             /* the sequence number of this CPU's next record */
	__u64 lost[RECORD_KINDS];   /* for each record kind: records lost because the ring was full */
	__u64 full_maps[FULL_MAPS]; /* for each map: elements that were not added because the map was full */
};
WIRE_STRUCT(counters);

_Static_assert(sizeof(struct record_header) == 24, "header");
_Static_assert(sizeof(struct cgroup_level) == 48, "level");
_Static_assert(sizeof(struct candidate) == 80, "candidate");
_Static_assert(sizeof(struct synthetic_record) == 40, "synthetic");
_Static_assert(sizeof(struct oom_kill_record) % 8 == 0, "records are 8-byte aligned in the ring");
_Static_assert(sizeof(struct oom_kill_record) < 65536, "size is 16 bits");
