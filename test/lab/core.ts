/** What shows most in the least time: the scenarios for CI, and what else is tried in the same guest. */
export const CORE = ['cgroup', 'ancestor', 'thread', 'oom.group', 'shared', 'dying', 'mempolicy', 'SysRq-f'];

/** Ways into the kernel that are not the first choice, each with what it takes part in. */
export const BACKENDS = ['raw_tp', 'tracepoint', 'kprobe', 'stack'];

/** What is tried once more with a tracer that has no more privileges than it takes. */
export const UNPRIVILEGED = ['cgroup', 'oom.group', 'SysRq-f'];
