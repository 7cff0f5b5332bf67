/** The scenarios for CI, those that show most in the least time, and what else runs in the same guest. */
export const CORE = ['cgroup', 'ancestor', 'thread', 'oom.group', 'shared', 'dying', 'mempolicy', 'SysRq-f'];

/** Kernel interfaces that are not the first choice; each runs the same scenarios. */
export const BACKENDS = ['raw_tp', 'tracepoint', 'kprobe', 'stack'];

/** Scenarios that run once more with a tracer that has only the privileges that it needs. */
export const UNPRIVILEGED = ['cgroup', 'oom.group', 'SysRq-f'];
