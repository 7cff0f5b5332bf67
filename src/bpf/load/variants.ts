/**
 * Which program serves which hook on this kernel. Chosen by the prototypes in the kernel's BTF, never by its version:
 * the same version exists with both forms of mark_victim.
 */

/** A hook, the program chosen for it, and why. `program` is undefined where the kernel has nothing to attach to. */
export interface Choice {
  hook: Hook;
  program: string | undefined;
  backend: Backend | 'none';
  reason: string;
  /** Without it there is nothing to trace. */
  required: boolean;
}

export const backends = ['tp_btf', 'raw_tp', 'tracepoint', 'fentry', 'kprobe', 'stack'] as const;
/**
 * How a hook is served. Tracepoints by `tp_btf` (typed arguments), `raw_tp` or `tracepoint`; the kernel's `oom_control` by
 * `fentry` or `kprobe` on oom_kill_process(), or by looking for it on the trigger's `stack`.
 */
export type Backend = (typeof backends)[number];

export type Hook =
  | 'oom_control'
  | 'mark_victim'
  | 'signal_generate'
  | 'process_exit'
  | 'exit_mmap'
  | 'direct_reclaim'
  | 'memcg_reclaim'
  | 'softlimit_reclaim'
  | 'direct_reclaim_end'
  | 'memcg_reclaim_end'
  | 'wake_reaper'
  | 'start_task_reaping'
  | 'finish_task_reaping'
  | 'skip_task_reaping';

/** The parameters of a tracepoint by the kernel's BTF, undefined where it has none. */
export type Prototypes = (tracepoint: string) => string[] | undefined;

interface Variant {
  program: string;
  matches: (parameters: string[]) => boolean;
}

interface Row {
  hook: Hook;
  tracepoint: string;
  /** Programs with typed arguments; `NAME_raw` is the same on a raw tracepoint. */
  variants: Variant[];
  /** Always the same prototype, so a raw tracepoint serves where BTF does not know it. */
  fixed?: boolean;
  /** On the plain tracepoint, of whose fields it knows enough on any kernel. */
  plain?: string;
  required?: boolean;
}

const always = () => true;
const reclaim = (hook: Hook, tracepoint: string): Row => ({
  hook,
  tracepoint,
  variants: [
    { program: `${hook}_2`, matches: (p) => p.length === 2 && p[0] === 'int' },
    { program: `${hook}_3`, matches: (p) => p.length === 3 && p[1] === 'int' },
  ],
});
/** (nr_reclaimed), followed by the memcg by 7.2. */
const reclaimEnd = (hook: Hook): Row => ({
  hook,
  tracepoint: `mm_vmscan_${hook}`,
  variants: [{ program: hook, matches: (p) => p[0] === 'unsigned long' || p[0] === 'long unsigned int' }],
});
const reaper = (hook: Hook): Row => ({
  hook,
  tracepoint: hook,
  variants: [{ program: hook, matches: always }],
  fixed: true,
});

const rows: Row[] = [
  {
    hook: 'mark_victim',
    tracepoint: 'mark_victim',
    variants: [
      { program: 'mark_victim_task', matches: (p) => p[0] === 'task_struct *' },
      { program: 'mark_victim_pid', matches: (p) => p[0] === 'int' },
    ],
    plain: 'mark_victim_plain',
    required: true,
  },
  {
    hook: 'signal_generate',
    tracepoint: 'signal_generate',
    variants: [{ program: 'signal_generate', matches: (p) => p.length === 5 }],
    fixed: true,
    required: true,
  },
  {
    hook: 'process_exit',
    tracepoint: 'sched_process_exit',
    variants: [
      { program: 'process_exit_1', matches: (p) => p.length === 1 },
      { program: 'process_exit_2', matches: (p) => p.length === 2 },
    ],
  },
  { hook: 'exit_mmap', tracepoint: 'exit_mmap', variants: [{ program: 'exit_mmap', matches: always }] },
  reclaim('direct_reclaim', 'mm_vmscan_direct_reclaim_begin'),
  reclaim('memcg_reclaim', 'mm_vmscan_memcg_reclaim_begin'),
  reclaim('softlimit_reclaim', 'mm_vmscan_memcg_softlimit_reclaim_begin'),
  reclaimEnd('direct_reclaim_end'),
  reclaimEnd('memcg_reclaim_end'),
  reaper('wake_reaper'),
  reaper('start_task_reaping'),
  reaper('finish_task_reaping'),
  reaper('skip_task_reaping'),
];

/** What a kernel offers beside its tracepoints. */
export interface Functions {
  /** oom_kill_process() is in the kernel's BTF, and fentry programs load. */
  fentry: boolean;
  /** It is, and kprobes exist. */
  kprobe: boolean;
}

/** @param forced use this backend wherever it exists, for tests */
export function chooseVariants(prototypes: Prototypes, functions: Functions, forced?: Backend): Choice[] {
  return [
    ...rows.map((row) => chooseTracepoint(row, prototypes(row.tracepoint), forced)),
    chooseOomControl(functions, forced),
  ];
}

function chooseTracepoint(row: Row, parameters: string[] | undefined, forced: Backend | undefined): Choice {
  const { hook, tracepoint, plain, required = false } = row;
  const variant = parameters
    ? row.variants.find(({ matches }) => matches(parameters))
    : row.fixed
      ? row.variants[0]
      : undefined;
  const found = parameters
    ? `${tracepoint}(${parameters.join(', ')}) in the kernel's BTF`
    : `no ${tracepoint} in the kernel's BTF`;
  const offers: [Backend, string | undefined][] = [
    ['tp_btf', parameters && variant?.program],
    ['raw_tp', variant && `${variant.program}_raw`],
    ['tracepoint', parameters && !variant ? undefined : plain], // a form that is not known is not guessed at
  ];
  const there = offers.filter(([, program]) => program !== undefined);
  const [backend, program] = there.find(([name]) => name === forced) ?? there[0] ?? ['none' as const, undefined];
  const why = parameters && !variant ? `${found} is a form that is not known` : found;
  return { hook, program, backend, reason: backend === forced ? `${why}; ${forced} was asked for` : why, required };
}

/** How the kernel's oom_control is had: the best way that there is. */
export function chooseOomControl({ fentry, kprobe }: Functions, forced?: Backend): Choice {
  const offers: [Backend, boolean, string | undefined, string][] = [
    ['fentry', fentry, 'oom_kill_process_fentry', 'fentry programs load here'],
    ['kprobe', kprobe, 'oom_kill_process_kprobe', 'no fentry, but kprobes'],
    ['stack', true, undefined, 'oom_kill_process() cannot be hooked here'],
  ];
  const there = offers.filter(([, can]) => can);
  const asked = there.find(([name]) => name === forced);
  const [backend, , program, reason] = asked ?? (there[0] as (typeof offers)[number]);
  return { hook: 'oom_control', backend, program, reason: asked ? `${forced} was asked for` : reason, required: false };
}
