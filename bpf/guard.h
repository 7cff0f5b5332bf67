// SPDX-License-Identifier: GPL-2.0-only
/* The data that bpf/guard.bpf.c exchanges with the process that arms it: an arming (which process to signal, and when),
 * and the two records that an arming causes. */
#pragma once

#include "events.h"
#include <linux/bpf.h>

#define SYSTEM_DOMAIN 0 /* the id of no cgroup */

enum guard_limit {
	ARMINGS = 16, /* targets armed at the same time: elements of the maps `armings` and `expiries` */
	/* The upper half of each token. The kernel passes the token as si_value, so a signal tells that it is the guard's. */
	GUARD_TOKEN = 0x6f6f6d73,
};
WIRE_ENUM(guard_limit);

enum arming_state {
	ARMING_NONE = 0,
	ARMING_ARMED = 1,
	ARMING_FIRED = 2,
};
WIRE_ENUM(arming_state);

/* Userspace writes a slot under its lock (BPF_F_LOCK), and twice: first without token and state. So a reader that takes
 * no lock never sees half of one target and half of another. The expiry (u64, CLOCK_MONOTONIC) is in a map of its own,
 * `expiries`: renewing it cannot re-arm a slot that has just fired. */
struct arming_slot {
	struct bpf_spin_lock reserved_for_lock;
	__u32 state;       /* enum arming_state */
	__u64 token;       /* identifies this arming in its records */
	__u64 domain;      /* id of the cgroup whose limit is watched, or SYSTEM_DOMAIN */
	__u64 start_ticks; /* the target's start time, as in /proc/PID/stat */
	__u32 pid;         /* the target's pid in the initial pid namespace */
	__u32 signal;
	__u32 fruitless_rounds; /* fires after this many consecutive reclaims of one task that freed nothing */
	__u32 least_pages;      /* no signal is sent if the target holds less memory and swap by then, 0: however little */
	__u64 trigger_ktime_ns; /* when the slot fired */
};
WIRE_STRUCT(arming_slot);

enum guard_outcome {
	GUARD_SENT = 1,    /* the kernel accepted the signal; guard_signal_record says when it was generated */
	GUARD_ASKED = 2,   /* the program sent no signal: userspace must send it, through the target's pidfd */
	GUARD_GONE = 3,    /* the process has exited, or its pid now belongs to another process */
	GUARD_DYING = 4,   /* the process is exiting already: nothing was sent */
	GUARD_REFUSED = 5, /* init, a kernel thread, or the kernel refused: see error */
	GUARD_SHRUNK = 6,  /* the process holds less than least_pages: nothing was sent */
};
WIRE_ENUM(guard_outcome);

/* An arming's condition was met. This record is sent once for each arming. */
struct guard_trigger_record {
	struct record_header header; /* ktime_ns: when the last reclaim that freed nothing ended */
	__u64 token;
	__u64 domain;
	__u64 decided_ktime_ns; /* just before bpf_send_signal_task() was called, 0: it was not called */
	__u64 sent_ktime_ns;    /* just after bpf_send_signal_task(), or after the decision not to call it */
	__u32 pid;
	__u32 trigger_tid;
	__u32 fruitless_rounds;
	__u32 asked;  /* 1: outcome is GUARD_ASKED. (The addon can compare fields of 4 or 8 bytes only.) */
	__s32 error;  /* negative errno of bpf_send_signal_task(), 0: none */
	__u8 outcome; /* enum guard_outcome */
	__u8 reserved[3];
};
WIRE_STRUCT(guard_trigger_record);

/* The target of an arming that has fired got a signal, from any sender (tracepoint signal:signal_generate). */
struct guard_signal_record {
	struct record_header header; /* ktime_ns: when the signal was generated */
	__u64 token;
	__u64 trigger_ktime_ns;
	__u32 pid;
	__u32 signal;
	__u32 sender_pid; /* pid of the current task: the trigger, the guard's own process, or any other sender */
	__u32 by_oom_killer;
};
WIRE_STRUCT(guard_signal_record);

_Static_assert(sizeof(struct arming_slot) == 56, "arming");
_Static_assert(sizeof(struct guard_trigger_record) == 80, "trigger");
_Static_assert(sizeof(struct guard_signal_record) == 56, "signal");
