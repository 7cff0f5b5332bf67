/**
 * Chooses the program of bpf/oom.bpf.c for each hook on this kernel. The choice depends on the prototypes in the
 * kernel's BTF, not on its version: the same version exists with both forms of mark_victim.
 */

/** A hook, the program chosen for it, and why. `program` undefined: the kernel does not have the hook. */
export interface Choice<H extends string = Hook> {
  hook: H;
  program: string | undefined;
  backend: Backend | 'none';
  reason: string;
  /** Without this hook the kernel cannot be traced. */
  required: boolean;
}

export const backends = ['tp_btf', 'raw_tp', 'tracepoint', 'fentry', 'kprobe', 'stack'] as const;
/**
 * How a program is attached: to a tracepoint by `tp_btf` (typed arguments), `raw_tp` or `tracepoint`. The kernel's
 * `oom_control` is got by `fentry` or `kprobe` on oom_kill_process(), or by a search of the trigger's `stack`.
 */
export type Backend = (typeof backends)[number];

/** The types of a tracepoint's parameters in the kernel's BTF; undefined: the BTF does not have the tracepoint. */
export type Prototypes = (tracepoint: string) => string[] | undefined;

interface Variant {
  program: string;
  matches: (parameters: string[]) => boolean;
}

/** A tracepoint, and the programs for its different prototypes. */
export interface TracepointHook<H extends string = string> {
  hook: H;
  tracepoint: string;
  /** Programs with typed arguments; `NAME_raw` is the same program on a raw tracepoint. */
  variants: Variant[];
  /** The prototype is the same on every kernel, so `raw_tp` can be used even if the BTF lacks the tracepoint. */
  fixed?: boolean;
  /** A program on the plain tracepoint, which needs no BTF. */
  plain?: string;
  required?: boolean;
}

const always = () => true;

const reclaim = <H extends string>(hook: H, tracepoint: string): TracepointHook<H> => ({
  hook,
  tracepoint,
  variants: [
    { program: `${hook}_2`, matches: (p) => p.length === 2 && p[0] === 'int' },
    { program: `${hook}_3`, matches: (p) => p.length === 3 && p[1] === 'int' },
  ],
});

/** The tracepoint's arguments: nr_reclaimed; by 7.2 also the memcg. */
const reclaimEnd = <H extends string>(hook: H): TracepointHook<H> => ({
  hook,
  tracepoint: `mm_vmscan_${hook}`,
  variants: [{ program: hook, matches: (p) => p[0] === 'unsigned long' || p[0] === 'long unsigned int' }],
});

const reaper = <H extends string>(hook: H): TracepointHook<H> => ({
  hook,
  tracepoint: hook,
  variants: [{ program: hook, matches: always }],
  fixed: true,
});

/** Every tracepoint of bpf/oom.bpf.c. A new hook needs a row here and a program there. */
const tracepoints = [
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
] as const satisfies TracepointHook[];

export type Hook = (typeof tracepoints)[number]['hook'] | 'oom_control';

/** What a kernel offers besides tracepoints. */
export interface Functions {
  /** The function is in the kernel's BTF, and fentry programs load. */
  fentry: boolean;
  /** The function is in the kernel's BTF, and kprobes exist. */
  kprobe: boolean;
}

/** @param forced use this backend for every hook that has it, for tests */
export function chooseVariants(prototypes: Prototypes, functions: Functions, forced?: Backend): Choice[] {
  return [
    ...tracepoints.map((hook) => chooseTracepoint<Hook>(hook, prototypes, forced)),
    chooseOomControl(functions, forced),
  ];
}

/** The best program for a tracepoint: typed arguments before raw ones, a plain tracepoint last. */
export function chooseTracepoint<H extends string>(
  { hook, tracepoint, variants, fixed, plain, required = false }: TracepointHook<H>,
  prototypes: Prototypes,
  forced: Backend | undefined,
): Choice<H> {
  const parameters = prototypes(tracepoint);
  const matching = parameters ? variants.find(({ matches }) => matches(parameters)) : undefined;
  const variant = matching ?? (fixed && !parameters ? variants[0] : undefined);
  const found = parameters
    ? `${tracepoint}(${parameters.join(', ')}) in the kernel's BTF`
    : `no ${tracepoint} in the kernel's BTF`;
  const unknown = parameters !== undefined && variant === undefined;
  const offers: [Backend, string | undefined][] = [
    ['tp_btf', parameters && variant?.program],
    ['raw_tp', variant && `${variant.program}_raw`],
    ['tracepoint', unknown ? undefined : plain], // the arguments of an unknown prototype are not guessed
  ];
  const there = offers.filter(([, program]) => program !== undefined);
  const [backend, program] = there.find(([name]) => name === forced) ?? there[0] ?? ['none' as const, undefined];
  const why = unknown ? `${found} is a form that is not known` : found;
  return { hook, program, backend, reason: backend === forced ? `${why}; ${forced} was asked for` : why, required };
}

/** The best way to get the kernel's oom_control. */
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
