// SPDX-License-Identifier: GPL-2.0-only
/* The wire of memory pressure: the records on its ring, and the values of its maps that userspace reads. The rules of
 * events.h hold here too. */
#pragma once

#include "events.h"

#define PRESSURE_WINDOWS 3
#define PRESSURE_SAMPLES 16 /* a window's past: taken every eighth of it, so that they reach back twice as far */
#define CAUSE_SLOTS 8       /* no fewer than causes, a power of two for the verifier */
#define SYSTEM_KEY 1        /* in the map of groups: the system; others are there by the address of their css */

enum stall_cause {
	CAUSE_OTHER = 0,
	CAUSE_DIRECT_RECLAIM = 1,
	CAUSE_MEMCG_LIMIT = 2,
	CAUSE_MEMCG_HIGH = 3,
	CAUSE_COMPACTION = 4,
	CAUSE_SWAP_IN = 5,
	CAUSE_REFAULT = 6,
	STALL_CAUSES = 7,
};

enum pressure_level {
	LEVEL_NORMAL = 0,
	LEVEL_LOW = 1,
	LEVEL_MEDIUM = 2,
	LEVEL_CRITICAL = 3,
	PRESSURE_LEVELS = 4,
};

struct stalled_task {
	__u32 tid;
	__u32 pid;
	__u64 start_ns; /* of the process, since boot, suspend included */
	__u64 cgroup_id;
	char comm[TASK_COMM_LEN];
};

struct pressure_stall_record {
	struct record_header header;
	struct stalled_task task;
	__u64 begin_ktime_ns;
	__u64 stall_ns; /* until now */
	__u8 cause;     /* enum stall_cause */
	__u8 finished;
	__u8 reserved[2];
	__s32 stack_id; /* in the map of stacks; negative: none */
};

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
	__u8 window; /* that decided: an index, 0 is the shortest */
	__u32 reserved;
	struct pressure_share shares[PRESSURE_WINDOWS];
	struct pressure_share peak;
	__u64 stalls; /* since the episode began, as those below */
	__u64 stall_ns[STALL_CAUSES];
};

struct pressure_countdown_record {
	struct record_header header;
	struct stalled_task task;
	__u64 limit_id; /* the cgroup that is at its limit, 0: the system is short */
	__u32 fruitless_rounds;
	__u32 unsaid; /* of the same limit_id, ever: only grows, but for the wrap and when the kernel forgets the group */
};

/* A cgroup appears in the accounts: its name, once. */
struct pressure_group_record {
	struct record_header header;
	__u64 id;
	__u64 parent_id; /* 0: it is at the top */
	__u16 name_length;
	__u8 reserved[6];
	char name[256];
};

/* One CPU's part in the pressure of a group. Stalled tasks belong to the CPU where they last ran, as in PSI. */
struct pressure_slot {
	__u64 since_ns; /* of the last change */
	__u64 some_ns;
	__u64 full_ns;
	__u64 busy_ns; /* PSI's "nonidle": it weighs this CPU against the others */
	__u32 stalled; /* tasks */
	__u32 running; /* enum slot_running */
	__u64 fine_some_ns; /* as the last tick found them */
	__u64 fine_full_ns;
	__u64 fine_busy_ns;
	__u64 coarse_some_ns; /* as the last period of PSI_PERIOD_NS found them */
	__u64 coarse_full_ns;
	__u64 coarse_busy_ns;
	__u64 reserved[5]; /* two cache lines */
};

enum slot_running {
	RUNNING_NONE = 0,
	RUNNING_PRODUCTIVE = 1,
	RUNNING_STALLED = 2, /* it reclaims by itself */
	RUNNING_AS_BEFORE = 3,
};

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

/* A cgroup and all below it, or the system. Followed, in the map, by one pressure_slot for each possible CPU. */
struct pressure_group {
	__u64 id; /* of the cgroup, 0: the system */
	__u64 parent_key;
	__u64 some_ns; /* totals, weighed over periods of PSI_PERIOD_NS */
	__u64 full_ns;
	__u64 coarse_ktime_ns; /* end of the last such period */
	__u64 psi;             /* address of the kernel's own account of it, 0: not known */
	__u64 psi_closed_ns;   /* end of the last period there, by another clock */
	__u64 fine_some_ns; /* weighed over each tick: what the windows look at */
	__u64 fine_full_ns;
	__u64 tick_ktime_ns;
	__u64 last_stall_ns;
	__u64 stalls;
	__u64 stall_ns[CAUSE_SLOTS]; /* of tasks, of stalls that have ended */
	struct pressure_share shares[PRESSURE_WINDOWS];
	__u32 hot; /* on the list of those that the tick looks at */
	__u8 level;
	__u8 peak_level;
	__u8 window;
	__u8 reserved;
	__u64 above_since_ns; /* a higher level has held so long, a lower one, 0: neither */
	__u64 below_since_ns;
	__u64 episode_ktime_ns;
	__u64 episode_stalls; /* the totals when it began */
	__u64 episode_ns[STALL_CAUSES];
	struct pressure_share peak;
	struct window_past past[PRESSURE_WINDOWS];
};

_Static_assert(sizeof(struct pressure_slot) == 128, "slot");
_Static_assert(sizeof(struct pressure_group) % 8 == 0, "group");
_Static_assert(sizeof(struct pressure_stall_record) % 8 == 0, "stall");
_Static_assert(sizeof(struct pressure_level_record) % 8 == 0, "level");
