/** The scenarios for CI, which show the most in the least time, and the other runs in the same guest. */
export const CORE = ['cgroup', 'ancestor', 'thread', 'oom.group', 'shared', 'dying', 'mempolicy', 'SysRq-f'];

/** Backends that oomscope uses only if better ones are missing; each runs the same scenarios. */
export const BACKENDS = ['raw_tp', 'tracepoint', 'kprobe', 'stack'];

/** Scenarios that run once more with an unprivileged tracer: see unprivileged.ts. */
export const UNPRIVILEGED = ['cgroup', 'oom.group', 'SysRq-f'];
