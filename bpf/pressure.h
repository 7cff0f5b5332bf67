// SPDX-License-Identifier: GPL-2.0-only
/* The data that bpf/pressure.bpf.c exchanges with userspace: its records, and the values of its maps and constants. The
 * rules of events.h apply here, too. */
#pragma once

#include "events.h"

#define PRESSURE_SAMPLES 16 /* for each window, one sample in an eighth of its length: they cover two lengths */
#define CAUSE_SLOTS 8       /* at least STALL_CAUSES, and a power of two for the verifier */
#define SYSTEM_KEY 1        /* the system's key in the map of groups; a cgroup's key is the address of its css */

enum pressure_limit {
	PRESSURE_WINDOWS = 3,
	COUNTDOWNS = 1024, /* elements of the map `countdowns`: one for each cgroup */
	STACK_RANGES = 16,
};
WIRE_ENUM(pressure_limit);

enum stall_cause {
	CAUSE_OTHER = 0,
	CAUSE_DIRECT_RECLAIM = 1,
	CAUSE_MEMCG_LIMIT = 2,
	CAUSE_MEMCG_HIGH = 3,
	CAUSE_COMPACTION = 4,
	CAUSE_SWAP_IN = 5,
	CAUSE_REFAULT = 6,
	STALL_CAUSES,
};
WIRE_ENUM(stall_cause);

enum pressure_level {
	LEVEL_NORMAL = 0,
	LEVEL_LOW = 1,
	LEVEL_MEDIUM = 2,
	LEVEL_CRITICAL = 3,
	PRESSURE_LEVELS,
};
WIRE_ENUM(pressure_level);

struct stalled_task {
	__u32 tid;
	__u32 pid;
	__u64 start_ns; /* start time of the process since boot, time in suspend included */
	__u64 cgroup_id;
	char comm[TASK_COMM_LEN];
};

struct pressure_stall_record {
	struct record_header header;
	struct stalled_task task;
	__u64 begin_ktime_ns;
	__u64 stall_ns; /* how long the stall has lasted so far */
	__u8 cause;     /* enum stall_cause */
	__u8 finished;
	__u8 reserved[2];
	__s32 stack_id; /* key in the map `stacks`; negative: no stack was recorded */
};
WIRE_STRUCT(pressure_stall_record);

struct pressure_share {
	__u32 some_ppm;
	__u32 full_ppm;
};

struct pressure_level_record {
	struct record_header header;
	__u64 cgroup_id; /* 0: the system */
	__u64 episode_ktime_ns;
	__u64 duration_ns;
	__u8 level; /* enum pressure_level */
	__u8 previous;
	__u8 peak_level;
	__u8 window; /* index of the window that decided; 0 is the shortest */
	__u32 reserved;
	struct pressure_share shares[PRESSURE_WINDOWS];
	struct pressure_share peak;
	__u64 stalls; /* like stall_ns, since the episode began */
	__u64 stall_ns[STALL_CAUSES];
};
WIRE_STRUCT(pressure_level_record);

struct pressure_countdown_record {
	struct record_header header;
	struct stalled_task task;
	__u64 limit_id; /* the cgroup that is at its limit, 0: the system is out of memory */
	__u32 fruitless_rounds;
	/* Countdowns of this limit_id that were not sent. Grows until it wraps, and restarts at 0 after the map
	 * `countdowns` has evicted the cgroup. */
	__u32 unsent;
};
WIRE_STRUCT(pressure_countdown_record);

/* The name of a cgroup. Sent once, at the cgroup's first stall. */
struct pressure_group_record {
	struct record_header header;
	__u64 id;
	__u64 parent_id; /* 0: the parent is the root cgroup */
	__u16 name_length;
	__u8 reserved[6];
	char name[256];
};
WIRE_STRUCT(pressure_group_record);

/* One CPU's share of a group's pressure. A stalled task counts on the CPU where it ran last, as in PSI.
 *
 * A stall writes only the fields before `reserved`. The 64 bytes after them keep these fields of two CPUs on different
 * cache lines: to write a line that another CPU has just written takes longer than all else that a program does. */
struct pressure_slot {
	__u64 since_ns; /* when the slot last changed */
	__u64 some_ns;
	__u64 full_ns;
	__u64 busy_ns;  /* PSI's "nonidle", the weight of this CPU against the others */
	__u32 stalled;  /* number of stalled tasks */
	__u32 running;  /* enum slot_running */
	__u64 stalls;   /* number of stalls that have ended */
	__u64 stall_ns[CAUSE_SLOTS]; /* task time, by cause, of these stalls */
	__u64 reserved[2];
	__u64 fine_some_ns; /* some_ns at the last tick; the next two likewise */
	__u64 fine_full_ns;
	__u64 fine_busy_ns;
	__u64 coarse_some_ns; /* some_ns at the end of the last PSI period; the next two likewise */
	__u64 coarse_full_ns;
	__u64 coarse_busy_ns;
};
WIRE_STRUCT(pressure_slot);

enum slot_running {
	RUNNING_NONE = 0,
	RUNNING_PRODUCTIVE = 1,
	RUNNING_STALLED = 2, /* the running task reclaims memory itself */
	RUNNING_AS_BEFORE = 3,
};
WIRE_ENUM(slot_running);

struct pressure_sample {
	__u64 ktime_ns;
	__u64 some_ns;
	__u64 full_ns;
};

struct window_past {
	struct pressure_sample samples[PRESSURE_SAMPLES];
	__u32 head;
	__u32 reserved;
};

/* A cgroup with its descendants, or the system. In the map, one pressure_slot for each possible CPU follows it. A stall
 * and a context switch only read the first fields, and only ticks write the others. */
struct pressure_group {
	__u64 parent_key;
	__u32 hot; /* 1: on the list of groups that every tick evaluates */
	__u8 level;
	__u8 peak_level;
	__u8 window;
	__u8 reserved;
	__u64 tick_ktime_ns;
	__u64 heat_after_ns; /* the list of hot groups was full: not tried again before this time */
	__u64 id; /* id of the cgroup, 0: the system */
	__u64 some_ns; /* like full_ns, a total whose CPUs are weighed over periods of PSI_PERIOD_NS */
	__u64 full_ns;
	__u64 coarse_ktime_ns; /* end of the last such period */
	__u64 psi;             /* address of the group's struct psi_group, 0: unknown */
	__u64 psi_closed_ns;   /* end of PSI's last period, by PSI's clock */
	__u64 fine_some_ns;    /* the same total with CPUs weighed over each tick: the windows use it */
	__u64 fine_full_ns;
	__u64 last_stall_ns; /* end of the last tick before which a stall began or ended, 0: none ever did */
	__u64 stalls;        /* sum over all CPUs at the last tick */
	__u64 stall_ns[STALL_CAUSES]; /* sums over all CPUs at the last change of the level */
	struct pressure_share shares[PRESSURE_WINDOWS];
	__u64 above_since_ns; /* since when the shares have reached a higher level, 0: they do not */
	__u64 below_since_ns; /* since when the shares have only reached a lower level, 0: they reach this one */
	__u64 episode_ktime_ns;
	__u64 episode_stalls; /* number of stalls when the episode began; episode_ns likewise */
	__u64 episode_ns[STALL_CAUSES];
	struct pressure_share peak;
	struct window_past past[PRESSURE_WINDOWS];
};
WIRE_STRUCT(pressure_group);

/* The address range of a kernel function. A stalled task with this function on its stack is stalled for this cause. */
struct stack_range {
	__u64 from;
	__u64 to;
	__u64 cause; /* enum stall_cause */
};
WIRE_STRUCT(stack_range);

_Static_assert(sizeof(struct pressure_slot) == 176, "slot");
_Static_assert(sizeof(struct pressure_group) % 8 == 0, "group");
_Static_assert(sizeof(struct pressure_stall_record) % 8 == 0, "stall");
_Static_assert(sizeof(struct pressure_level_record) % 8 == 0, "level");
