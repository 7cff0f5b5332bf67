/**
 * Which program serves which hook on this kernel. Chosen by the prototypes in the kernel's BTF, never by its version:
 * the same version exists with both forms of mark_victim.
 */

/** A hook, the program chosen for it, and why. `program` is undefined where the kernel has nothing to attach to. */
export interface Choice {
  hook: Hook;
  program: string | undefined;
  backend: 'tp_btf' | 'raw_tp' | 'tracepoint' | 'none';
  reason: string;
  /** Without it there is nothing to trace. */
  required: boolean;
}

export type Hook =
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
  variants: Variant[];
  /** What serves when BTF does not know the tracepoint. */
  fallback?: { program: string; backend: 'raw_tp' | 'tracepoint' };
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
  fallback: { program: `${hook}_raw`, backend: 'raw_tp' },
});

const rows: Row[] = [
  {
    hook: 'mark_victim',
    tracepoint: 'mark_victim',
    variants: [
      { program: 'mark_victim_task', matches: (p) => p[0] === 'task_struct *' },
      { program: 'mark_victim_pid', matches: (p) => p[0] === 'int' },
    ],
    fallback: { program: 'mark_victim_plain', backend: 'tracepoint' },
    required: true,
  },
  {
    hook: 'signal_generate',
    tracepoint: 'signal_generate',
    variants: [{ program: 'signal_generate', matches: (p) => p.length === 5 }],
    fallback: { program: 'signal_generate_raw', backend: 'raw_tp' },
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

export function chooseVariants(prototypes: Prototypes): Choice[] {
  return rows.map((row) => {
    const parameters = prototypes(row.tracepoint);
    const variant = parameters && row.variants.find(({ matches }) => matches(parameters));
    const common = { hook: row.hook, required: row.required ?? false };
    if (parameters && variant) {
      const reason = `${row.tracepoint}(${parameters.join(', ')}) in the kernel's BTF`;
      return { ...common, program: variant.program, backend: 'tp_btf', reason };
    }
    const why = parameters
      ? `${row.tracepoint}(${parameters.join(', ')}) is a form that is not known`
      : `no ${row.tracepoint} in the kernel's BTF`;
    return row.fallback && !parameters
      ? { ...common, ...row.fallback, reason: why }
      : { ...common, program: undefined, backend: 'none', reason: why };
  });
}
