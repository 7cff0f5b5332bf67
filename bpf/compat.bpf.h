// SPDX-License-Identifier: GPL-2.0-only
/* Fields that moved or changed between kernels, one accessor for each. Every program here must load on every supported
 * kernel (5.10 and later). */
#pragma once

#include "kernel.h"
#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

#define MAX_CPUS 1024 /* on a larger machine RSS stays approximate, and FACT_RSS_EXACT is not set */

/* Set by the loader: the number of possible CPUs, which is the number of slots of a per-CPU counter. */
const volatile u32 possible_cpus = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} scratch SEC(".maps"); /* only its address counts: see read_rss() */

/* Turns a typed pointer into a plain number: the verifier does not know what bpf_probe_read_kernel() reads. (A map in
 * between would be shared with the programs that interrupt or preempt this one.) */
static __always_inline u64 as_number(const void *pointer)
{
	u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &pointer);
	return number;
}

/* Reads what the kernel's get_mm_counter() returns: since 6.2 only the shared part of each per-CPU counter, without
 * the counts that CPUs have not yet added to it. */
static __always_inline void read_rss_approx(struct mm_struct *mm, s64 *pages)
{
	struct mm_struct___atomic *old = (void *)mm;

	/* The test is on a field, not on the type mm_rss_stat: for a type that the kernel lacks, libbpf before 1.4
	 * searches the kernel modules, which needs CAP_SYS_ADMIN. */
	if (bpf_core_field_exists(old->rss_stat.count)) {
		u64 counts = (u64)mm + bpf_core_field_offset(old->rss_stat.count);
		bpf_probe_read_kernel(pages, 4 * sizeof(*pages), (void *)counts);
		return;
	}
	/* The address of each element is computed here: CO-RE relocates constant indexes only, and the kernel's struct
	 * percpu_counter is larger than the one in kernel.h. */
	u64 stats = (u64)mm + bpf_core_field_offset(struct mm_struct, rss_stat);
	for (int i = 0; i < 4; i++) {
		struct percpu_counter *counter = (void *)(stats + i * bpf_core_type_size(struct percpu_counter));
		pages[i] = BPF_CORE_READ(counter, count);
	}
}

/* Reads mm_struct.rss_stat, which has atomic counters up to 6.1 and per-CPU counters since f1a7941243c1 (6.2).
 *
 * Without CONFIG_KALLSYMS_ALL a program cannot name the kernel's __per_cpu_offset[], but a per-CPU map reveals it: the
 * address of the map's area on CPU n, minus the map's per-CPU base pointer, is the offset of CPU n for every per-CPU
 * object. Returns false if not all counters can be summed; then `exact` may lack the counts of some CPUs. */
static __always_inline bool read_rss(struct mm_struct *mm, s64 *exact, s64 *approx)
{
	struct mm_struct___atomic *old = (void *)mm;
	u64 counters[4] = {}, base = 0;
	u32 zero = 0;

	read_rss_approx(mm, approx);
	for (int i = 0; i < 4; i++)
		exact[i] = approx[i];
	if (bpf_core_field_exists(old->rss_stat.count))
		return true;
	u64 stats = (u64)mm + bpf_core_field_offset(struct mm_struct, rss_stat);
	for (int i = 0; i < 4; i++) {
		struct percpu_counter *counter = (void *)(stats + i * bpf_core_type_size(struct percpu_counter));
		counters[i] = (u64)BPF_CORE_READ(counter, counters);
	}
	u64 map = as_number(&scratch);
	if (!map || !bpf_core_type_exists(struct bpf_array) || possible_cpus > MAX_CPUS)
		return false;
	bpf_probe_read_kernel(&base, sizeof(base), (void *)(map + bpf_core_field_offset(struct bpf_array, pptrs)));
	if (!base)
		return false;
	for (u32 cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (cpu >= possible_cpus)
			break;
		void *area = bpf_map_lookup_percpu_elem(&scratch, &zero, cpu);
		if (!area)
			return false;
		u64 offset = as_number(area) - base;
		for (int i = 0; i < 4; i++) {
			s32 part = 0;
			if (bpf_probe_read_kernel(&part, sizeof(part), (void *)(counters[i] + offset)))
				return false;
			exact[i] += part;
		}
	}
	return true;
}

static __always_inline struct mem_cgroup *memcg_of(struct cgroup_subsys_state *css)
{
	return css ? (void *)css - bpf_core_field_offset(struct mem_cgroup, css) : NULL;
}

static __always_inline struct mem_cgroup *memcg_parent(struct mem_cgroup *memcg)
{
	return memcg_of(BPF_CORE_READ(memcg, css.parent));
}

static __always_inline u64 memcg_id(struct mem_cgroup *memcg)
{
	return memcg ? BPF_CORE_READ(memcg, css.cgroup, kn, id) : 0;
}

/* Whether a charge to this counter may fail. Usage is signed: it may be below 0 for a moment. */
static __always_inline bool counter_is_full(const struct page_counter *counter)
{
	s64 usage = BPF_CORE_READ(counter, usage.counter);

	return usage + CHARGE_BATCH_PAGES >= (s64)BPF_CORE_READ(counter, max);
}

/* Returns the memory controller's element of an array of cgroup_subsys_state pointers. Its index depends on the
 * kernel's configuration. */
static __always_inline struct cgroup_subsys_state *memory_css(u64 subsys)
{
	struct cgroup_subsys_state *css = NULL;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return NULL;
	u64 index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	bpf_probe_read_kernel(&css, sizeof(css), (void *)(subsys + index * sizeof(void *)));
	return css;
}

static __always_inline struct mem_cgroup *task_memcg(struct task_struct *task)
{
	u64 set = (u64)BPF_CORE_READ(task, cgroups);

	return set ? memcg_of(memory_css(set + bpf_core_field_offset(struct css_set, subsys))) : NULL;
}
