// SPDX-License-Identifier: GPL-2.0-only
/* Defines programs on tracepoints. Each is compiled twice: NAME with typed arguments (tp_btf), and NAME_raw (raw_tp)
 * for kernels that do not allow tp_btf. src/bpf/load/ chooses one of them. */
#pragma once

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* clang-format off */
#define TRACEPOINT_PAIR(name, tracepoint, typed_result, raw_result, args...) \
	SEC("tp_btf/" tracepoint) int BPF_PROG(name, ##args) { return typed_result; } \
	SEC("raw_tp/" tracepoint) int BPF_PROG(name##_raw, ##args) { return raw_result; }
/* clang-format on */

#define TRACEPOINT(name, tracepoint, result, args...) TRACEPOINT_PAIR(name, tracepoint, result, result, ##args)
