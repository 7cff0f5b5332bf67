// SPDX-License-Identifier: GPL-2.0-only
/* The wire between bpf/guard.bpf.c and who arms it: an arming, and the two records that come of it. */
#pragma once

#include "events.h"
#include <linux/bpf.h>

#define SYSTEM_DOMAIN 0 /* the id of no cgroup */
#define ARMINGS 16      /* at a time: elements of the maps `armings` and `expiries` */

enum arming_state {
	ARMING_NONE = 0,
	ARMING_ARMED = 1,
	ARMING_FIRED = 2,
};

/* Written under its lock (BPF_F_LOCK), and first without token and state, so that no target is ever half of one and half of
 * another, for a reader that does not lock neither. When it
 * expires (u64 of CLOCK_MONOTONIC) is in `expiries`: a refresh must not bring back what has just fired. */
struct arming_slot {
	struct bpf_spin_lock reserved_for_lock;
	__u32 state;           /* enum arming_state */
	__u64 token;           /* of this arming, in whatever comes of it */
	__u64 domain;          /* id of the cgroup whose limit is watched, or SYSTEM_DOMAIN */
	__u64 start_ticks;     /* of the target, as /proc/PID/stat has it */
	__u32 pid;             /* of the target, in the first pid namespace */
	__u32 signal;
	__u32 fruitless_rounds; /* reclaims in a row, by one task, that gave nothing */
	__u32 reserved;
	__u64 trigger_ktime_ns; /* once it has fired */
};

enum guard_outcome {
	GUARD_SENT = 1,    /* the kernel took the signal; guard_signal_record says when it was generated */
	GUARD_ASKED = 2,   /* userspace is to signal, by its pidfd */
	GUARD_GONE = 3,    /* no such process, or another with its pid */
	GUARD_DYING = 4,   /* it is on its way out already: nothing was sent */
	GUARD_REFUSED = 5, /* init, a kernel thread, or the kernel said no: see error */
};

/* The condition was met. Once for each arming. */
struct guard_trigger_record {
	struct record_header header; /* ktime: when reclaim ended without result */
	__u64 token;
	__u64 domain;
	__u64 decided_ktime_ns; /* before the signal is handed over, 0: it was not */
	__u64 sent_ktime_ns;    /* afterwards */
	__u32 pid;
	__u32 trigger_tid;
	__u32 fruitless_rounds;
	__u32 asked; /* outcome is GUARD_ASKED: a field that the addon can compare */
	__s32 error; /* negative errno of bpf_send_signal_task(), 0: none */
	__u8 outcome; /* enum guard_outcome */
	__u8 reserved[3];
};

/* The kernel generated the signal, whoever sent it: tracepoint signal:signal_generate. */
struct guard_signal_record {
	struct record_header header; /* ktime: of the signal */
	__u64 token;
	__u64 trigger_ktime_ns;
	__u32 pid;
	__u32 signal;
	__u32 sender_pid; /* current: the trigger, the guard's own process, or any other that was faster */
	__u32 by_oom_killer;
};

_Static_assert(sizeof(struct arming_slot) == 56, "arming");
_Static_assert(sizeof(struct guard_trigger_record) == 80, "trigger");
_Static_assert(sizeof(struct guard_signal_record) == 56, "signal");
