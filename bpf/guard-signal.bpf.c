// SPDX-License-Identifier: GPL-2.0-only
/* guard.bpf.c for kernels whose BPF programs can signal another task (bpf_send_signal_task, 6.13). */
#define SIGNALS 1
#include "guard.bpf.c"
