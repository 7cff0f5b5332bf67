// SPDX-License-Identifier: GPL-2.0-only
/* Pressure levels of a group: shares of stall time in sliding windows, compared with thresholds, with hysteresis. Every
 * tick computes them. So a level can rise while a stall lasts and fall when no task stalls, and a task that begins or
 * ends a stall does not spend time on computing levels. */
#pragma once

#include "groups.bpf.h"

const volatile u64 window_ns[PRESSURE_WINDOWS] = {};
const volatile struct pressure_share thresholds[PRESSURE_WINDOWS][PRESSURE_LEVELS] = {};
const volatile u32 fall_permille = 700; /* a level ends when the share is below this part of its threshold */
const volatile u64 sustain_ns = 0;      /* a higher level is reported after it has held for this long */
const volatile u64 cool_down_ns = 0;    /* a lower level is reported after it has held for this long */
const volatile u64 cold_ns = PSI_PERIOD_NS; /* ticks skip a group without a stall for this long; no window is longer */

u32 stalled_now = 0; /* number of stalled tasks at this tick, summed over the groups */
u64 stalled_ns = 0;  /* the last tick before which a stall began or ended, in any group */

enum tick_result { TICK_GONE, TICK_COLD, TICK_HOT };

struct weighed {
	u64 some, full, busy;
};

static __always_inline void weigh(struct weighed *sum, u64 some, u64 full, u64 busy)
{
	u64 weight = busy >> 10; /* so that the sum of some × weight over 1024 CPUs and two seconds fits in 64 bits */

	sum->some += some * weight;
	sum->full += full * weight;
	sum->busy += weight;
}

static __always_inline u64 since_last(u64 now, u64 *last)
{
	u64 more = now > *last ? now - *last : 0;

	*last = now;
	return more;
}

/* Returns whether the period over which CPUs are weighed ends now. It ends when PSI's period ends, if that is known,
 * and otherwise after PSI_PERIOD_NS. */
static __always_inline bool period_ends(struct pressure_group *g, u64 key, u64 now)
{
	u64 closed = psi_closed(g, key), lasted = now - g->coarse_ktime_ns;
	bool ends = closed && g->psi_closed_ns ? closed != g->psi_closed_ns || lasted >= 2 * PSI_PERIOD_NS :
						 lasted >= PSI_PERIOD_NS;

	g->psi_closed_ns = closed;
	if (ends)
		g->coarse_ktime_ns = now;
	return ends;
}

/* Sums the stalls and the times of all CPUs, each time weighed by how busy the CPU was, as collect_percpu_times() in
 * kernel/sched/psi.c does. Returns the number of stalled tasks. */
static __always_inline u32 collect(struct pressure_group *g, u64 key, u64 now)
{
	struct weighed fine = {}, coarse = {};
	bool period = period_ends(g, key, now);
	u64 stalls = 0;
	u32 stalled = 0;

	for (u64 cpu = 0; cpu < MAX_CPUS; cpu++) {
		struct pressure_slot *s = slot_of(g, cpu);
		if (!s)
			break;
		u64 time = now > s->since_ns ? now - s->since_ns : 0;
		u64 some = s->some_ns + (s->stalled ? time : 0);
		u64 full = s->full_ns + (s->stalled && s->running != RUNNING_PRODUCTIVE ? time : 0);
		u64 busy = s->busy_ns + (s->stalled || s->running ? time : 0);
		stalled += s->stalled;
		stalls += s->stalls;
		weigh(&fine, since_last(some, &s->fine_some_ns), since_last(full, &s->fine_full_ns),
		      since_last(busy, &s->fine_busy_ns));
		if (period)
			weigh(&coarse, since_last(some, &s->coarse_some_ns), since_last(full, &s->coarse_full_ns),
			      since_last(busy, &s->coarse_busy_ns));
	}
	if (fine.busy) {
		g->fine_some_ns += fine.some / fine.busy;
		g->fine_full_ns += fine.full / fine.busy;
	}
	if (coarse.busy) {
		g->some_ns += coarse.some / coarse.busy;
		g->full_ns += coarse.full / coarse.busy;
	}
	if (stalled || stalls != g->stalls)
		g->last_stall_ns = now;
	g->stalls = stalls;
	return stalled;
}

static __always_inline u64 between(u64 a, u64 b, u64 part, u64 whole)
{
	return b > a && whole ? a + (b - a) * part / whole : a;
}

static __always_inline u32 ppm(u64 time, u64 window)
{
	u64 share = time * 1000000 / window;

	return share > 1000000 ? 1000000 : share;
}

/* Computes the shares of the window that ends now. Between two samples the totals are assumed to have grown evenly. */
__noinline int slide(u64 key, u64 window, u64 now)
{
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);

	barrier_var(window);
	if (!g || window >= PRESSURE_WINDOWS)
		return 0;
	u64 length = window_ns[window];
	struct window_past *past = &g->past[window];
	struct pressure_share *share = &g->shares[window];
	if (!length)
		return 0;
	u64 from = now - length;
	struct pressure_sample newer = { .ktime_ns = now, .some_ns = g->fine_some_ns, .full_ns = g->fine_full_ns };
	struct pressure_sample older = newer;
	u32 head = past->head;

	for (u32 i = 0; i < PRESSURE_SAMPLES; i++) {
		struct pressure_sample *s = &past->samples[(head - i) % PRESSURE_SAMPLES];
		older = *s;
		if (older.ktime_ns <= from)
			break;
		newer = older;
	}
	/* If no sample is older than the window, the group had no stall before `newer`. */
	if (!older.ktime_ns || older.ktime_ns > from)
		older = newer;
	u64 part = from > older.ktime_ns ? from - older.ktime_ns : 0;
	u64 whole = newer.ktime_ns - older.ktime_ns;
	share->some_ppm = ppm(g->fine_some_ns - between(older.some_ns, newer.some_ns, part, whole), length);
	share->full_ppm = ppm(g->fine_full_ns - between(older.full_ns, newer.full_ns, part, whole), length);
	if (now - past->samples[head % PRESSURE_SAMPLES].ktime_ns >= length / 8) {
		head = (head + 1) % PRESSURE_SAMPLES;
		past->head = head;
		struct pressure_sample *s = &past->samples[head];
		s->ktime_ns = now;
		s->some_ns = g->fine_some_ns;
		s->full_ns = g->fine_full_ns;
	}
	return 0;
}

/* Returns the highest level that any window reaches; *window is the shortest window that reaches it. For the current
 * level and those below it, the thresholds are lower (fall_permille). */
static __always_inline u8 level_now(struct pressure_group *g, u8 *window)
{
	u8 level = LEVEL_NORMAL;

	for (u64 w = 0; w < PRESSURE_WINDOWS; w++) {
		for (u32 l = LEVEL_LOW; l < PRESSURE_LEVELS; l++) {
			u64 scale = l <= g->level ? fall_permille : 1000;
			bool some = g->shares[w].some_ppm * 1000ULL >= thresholds[w][l].some_ppm * scale;
			bool full = g->shares[w].full_ppm * 1000ULL >= thresholds[w][l].full_ppm * scale;
			if ((some || full) && l > level) {
				level = l;
				*window = w;
			}
		}
	}
	return level;
}

/* Sums the task time of all CPUs by cause. Only an event needs it, so it is not part of every tick. */
__noinline int sum_causes(u64 key)
{
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);

	if (!g)
		return 0;
	for (int i = 0; i < STALL_CAUSES; i++)
		g->stall_ns[i] = 0;
	for (u64 cpu = 0; cpu < MAX_CPUS; cpu++) {
		struct pressure_slot *s = slot_of(g, cpu);
		if (!s)
			break;
		for (int i = 0; i < STALL_CAUSES; i++)
			g->stall_ns[i] += s->stall_ns[i];
	}
	return 0;
}

/* Raises the episode's peak: the highest share of the window that decided the level. */
static __always_inline void raise_peak(struct pressure_group *g)
{
	u64 window = g->window;

	barrier_var(window);
	if (window >= PRESSURE_WINDOWS)
		return;
	struct pressure_share share = g->shares[window];
	if (share.some_ppm > g->peak.some_ppm)
		g->peak.some_ppm = share.some_ppm;
	if (share.full_ppm > g->peak.full_ppm)
		g->peak.full_ppm = share.full_ppm;
}

__noinline int send_level(u64 key, u64 previous, u64 now)
{
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);
	struct pressure_level_record r = {};

	if (!g)
		return 0;
	record_begin(&r.header, RECORD_PRESSURE_LEVEL);
	r.cgroup_id = g->id;
	r.episode_ktime_ns = g->episode_ktime_ns;
	r.duration_ns = now - g->episode_ktime_ns;
	r.level = g->level;
	r.previous = previous;
	r.peak_level = g->peak_level;
	r.window = g->window;
	__builtin_memcpy(r.shares, g->shares, sizeof(r.shares));
	r.peak = g->peak;
	r.stalls = g->stalls - g->episode_stalls;
	for (int i = 0; i < STALL_CAUSES; i++)
		r.stall_ns[i] = g->stall_ns[i] - g->episode_ns[i];
	return record_send(&r.header, RECORD_PRESSURE_LEVEL, sizeof(r), BPF_RB_FORCE_WAKEUP);
}

static __always_inline void set_level(struct pressure_group *g, u64 key, u8 level, u8 window, u64 now)
{
	u8 previous = g->level;

	sum_causes(key);
	if (previous == LEVEL_NORMAL) {
		g->episode_ktime_ns = now;
		g->episode_stalls = g->stalls;
		for (int i = 0; i < STALL_CAUSES; i++)
			g->episode_ns[i] = g->stall_ns[i];
		g->peak = (struct pressure_share){};
		g->peak_level = LEVEL_NORMAL;
	}
	g->level = level;
	g->window = window;
	g->above_since_ns = g->below_since_ns = 0;
	if (level > g->peak_level)
		g->peak_level = level;
	if (level != LEVEL_NORMAL)
		raise_peak(g);
	send_level(key, previous, now);
}

/* Returns enum tick_result. */
__noinline int evaluate(u64 key, u64 now)
{
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);
	u8 window = 0;

	if (!g)
		return TICK_GONE;
	g->tick_ktime_ns = now;
	u32 stalled = collect(g, key, now);
	stalled_now += stalled;
	if (stalled_ns < g->last_stall_ns)
		stalled_ns = g->last_stall_ns;
	for (u64 w = 0; w < PRESSURE_WINDOWS; w++)
		slide(key, w, now);
	window = g->window;
	u8 level = level_now(g, &window);
	if (g->level != LEVEL_NORMAL)
		raise_peak(g);
	if (level > g->level) {
		g->below_since_ns = 0;
		if (!g->above_since_ns)
			g->above_since_ns = now;
		if (now - g->above_since_ns >= sustain_ns)
			set_level(g, key, level, window, now);
	} else if (level < g->level) {
		g->above_since_ns = 0;
		if (!g->below_since_ns)
			g->below_since_ns = now;
		if (now - g->below_since_ns >= cool_down_ns)
			set_level(g, key, level, window, now);
	} else {
		g->above_since_ns = g->below_since_ns = 0;
	}
	if (stalled || g->level != LEVEL_NORMAL || now - g->last_stall_ns < cold_ns)
		return TICK_HOT;
	g->hot = 0;
	return TICK_COLD;
}

/* Called when the cgroup is removed. Ends its episode. */
__noinline int group_remove(u64 key)
{
	struct pressure_group *g = bpf_map_lookup_elem(&groups, &key);

	if (!g)
		return 0;
	if (g->level != LEVEL_NORMAL)
		set_level(g, key, LEVEL_NORMAL, g->window, bpf_ktime_get_ns());
	bpf_map_delete_elem(&groups, &key);
	return 0;
}
