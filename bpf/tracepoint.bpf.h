// SPDX-License-Identifier: GPL-2.0-only
/* Programs on tracepoints. Each comes twice: NAME with typed arguments (tp_btf), and NAME_raw (raw_tp) for kernels that
 * refuse those. src/bpf/load/ chooses. */
#pragma once

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define TRACEPOINT_PAIR(name, tracepoint, typed_body, raw_body, args...)             \
	SEC("tp_btf/" tracepoint) int BPF_PROG(name, ##args) typed_body              \
	SEC("raw_tp/" tracepoint) int BPF_PROG(name##_raw, ##args) raw_body

#define TRACEPOINT(name, tracepoint, result, args...) \
	TRACEPOINT_PAIR(name, tracepoint, { return result; }, { return result; }, ##args)
