#pragma once

#include <linux/types.h>

struct mark {
	__u64 ktime_ns;
	__u32 pid;
	__u32 cpu;
};
