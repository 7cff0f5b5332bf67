/**
 * Chooses the program of bpf/pressure.bpf.c for each hook on this kernel. Kernels differ in the tracepoints'
 * prototypes, but not in the arguments that the programs read.
 */
import { type Choice, chooseTracepoint, type Functions, type Prototypes } from './variants.ts';

export const pressureBackends = ['fentry', 'kprobe', 'tp_btf', 'raw_tp'] as const;
/**
 * How stalls are detected: by `fentry` or `kprobe` on psi_memstall_enter() and psi_memstall_leave(), which detect
 * every stall; or by tracepoints, with `tp_btf` (typed arguments) or `raw_tp`.
 */
export type PressureBackend = (typeof pressureBackends)[number];

/** For the hook `tick`: `timer` is bpf_timer; `hooks` means that the other hooks run the tick. */
export interface PressureChoice {
  hook: string;
  program: string | undefined;
  backend: Choice['backend'] | 'timer' | 'hooks';
  reason: string;
}

/** What the kernel offers besides tracepoints. */
export interface PressureFacts extends Functions {
  /** PSI is enabled, so the kernel maintains task_struct.in_memstall. */
  psi: boolean;
  /** The kernel has bpf_timer (since 5.15). */
  timer: boolean;
}

/**
 * `least`: parameters that the program needs. `exact`: the tracepoint is needed even if psi_memstall_*() are hooked.
 */
const tracepoints: { hook: string; tracepoint: string; exact: boolean; least: number }[] = [
  { hook: 'direct_reclaim_begin', tracepoint: 'mm_vmscan_direct_reclaim_begin', exact: true, least: 0 },
  { hook: 'direct_reclaim_end', tracepoint: 'mm_vmscan_direct_reclaim_end', exact: false, least: 0 },
  { hook: 'memcg_reclaim_begin', tracepoint: 'mm_vmscan_memcg_reclaim_begin', exact: true, least: 0 },
  { hook: 'memcg_reclaim_end', tracepoint: 'mm_vmscan_memcg_reclaim_end', exact: true, least: 1 },
  { hook: 'compaction_begin', tracepoint: 'mm_compaction_begin', exact: true, least: 0 },
  { hook: 'compaction_end', tracepoint: 'mm_compaction_end', exact: false, least: 0 },
  { hook: 'reclaim_retry_zone', tracepoint: 'reclaim_retry_zone', exact: true, least: 6 },
  { hook: 'sched_switch', tracepoint: 'sched_switch', exact: true, least: 3 },
  { hook: 'cgroup_rmdir', tracepoint: 'cgroup_rmdir', exact: true, least: 1 },
  { hook: 'task_exit', tracepoint: 'sched_process_exit', exact: true, least: 0 },
];

/**
 * @param forced use this backend, for tests. If it cannot hook the functions, tracepoints are used; `reason` says so
 */
export function choosePressure(
  prototypes: Prototypes,
  facts: PressureFacts,
  forced?: PressureBackend,
): PressureChoice[] {
  const [memstall, why] = chooseMemstall(facts, forced);
  const hooked = memstall !== 'none';
  const functions = (['enter', 'leave'] as const).map(
    (end): PressureChoice => ({
      hook: `memstall_${end}`,
      program: hooked ? `memstall_${end}_${memstall}` : undefined,
      backend: memstall,
      reason: why,
    }),
  );
  const raw = forced === 'raw_tp' ? forced : undefined;
  const rest = tracepoints.map(({ hook, tracepoint, exact, least }): PressureChoice => {
    if (hooked && !exact) {
      return { hook, program: undefined, backend: 'none', reason: `memstall_leave by ${memstall} reports it` };
    }
    const variants = [{ program: hook, matches: (parameters: string[]) => parameters.length >= least }];
    const { program, backend, reason } = chooseTracepoint({ hook, tracepoint, variants }, prototypes, raw);
    return { hook, program, backend, reason };
  });
  return [...functions, ...rest, chooseTick(facts, raw === undefined && memstall !== 'kprobe')];
}

function chooseMemstall(
  { psi, fentry, kprobe }: PressureFacts,
  forced: PressureBackend | undefined,
): [PressureChoice['backend'] & (PressureBackend | 'none'), string] {
  const without = 'tracepoints miss swap-in and refaults that do not sleep';
  if (forced === 'tp_btf' || forced === 'raw_tp') return ['none', `${forced} was asked for, and ${without}`];
  if (!psi) return ['none', `PSI is off, and ${without}`];
  if (fentry && forced !== 'kprobe') return ['fentry', forced ? 'fentry was asked for' : 'fentry programs load here'];
  if (kprobe && forced !== 'fentry') return ['kprobe', forced ? 'kprobe was asked for' : 'no fentry, but kprobes'];
  return ['none', `psi_memstall_enter() cannot be hooked here, and ${without}`];
}

function chooseTick({ timer }: PressureFacts, tracing: boolean): PressureChoice {
  if (timer && tracing) return { hook: 'tick', program: undefined, backend: 'timer', reason: 'bpf_timer exists' };
  const reason = timer ? 'raw programs and kprobes may not use bpf_timer' : 'this kernel has no bpf_timer (5.15)';
  return { hook: 'tick', program: undefined, backend: 'hooks', reason: `${reason}: the other hooks are the clock` };
}
