/**
 * Which program of bpf/pressure.bpf.c serves which hook on this kernel. The forms of the tracepoints have changed, but not
 * in what is read of them: the first argument of an end of reclaim, two of sched_switch, one of reclaim_retry_zone.
 */
import type { Functions, Prototypes } from './variants.ts';

export const pressureBackends = ['fentry', 'kprobe', 'tp_btf', 'raw_tp'] as const;
/**
 * How stalls are seen: `fentry` or `kprobe` on psi_memstall_enter() and psi_memstall_leave(), which is all of them; or
 * tracepoints, by `tp_btf` (typed arguments) or `raw_tp`.
 */
export type PressureBackend = (typeof pressureBackends)[number];

/** `timer`: bpf_timer. `hooks`: the other hooks drive it. */
export interface PressureChoice {
  hook: string;
  program: string | undefined;
  backend: PressureBackend | 'timer' | 'hooks' | 'none';
  reason: string;
}

/** What else decides. */
export interface PressureFacts extends Functions {
  /** The kernel keeps task_struct.in_memstall: PSI is on. */
  psi: boolean;
  /** bpf_timer exists (5.15). */
  timer: boolean;
}

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
];

/** @param forced for tests. Functions that are forced but cannot be hooked fall back to tracepoints, and say so */
export function choosePressure(
  prototypes: Prototypes,
  facts: PressureFacts,
  forced?: PressureBackend,
): PressureChoice[] {
  const [memstall, why] = chooseMemstall(facts, forced);
  const exact = memstall !== 'none';
  const typed = forced !== 'raw_tp';
  const functions = (['enter', 'leave'] as const).map(
    (end): PressureChoice => ({
      hook: `memstall_${end}`,
      program: exact ? `memstall_${end}_${memstall}` : undefined,
      backend: memstall,
      reason: why,
    }),
  );
  const rest = tracepoints.map(({ hook, tracepoint, exact: wanted, least }): PressureChoice => {
    const parameters = prototypes(tracepoint);
    if (exact && !wanted) {
      return { hook, program: undefined, backend: 'none', reason: `memstall_leave by ${memstall} tells it` };
    }
    if (!parameters || parameters.length < least) {
      const found = parameters ? 'has a form that is not known' : "is not in the kernel's BTF";
      return { hook, program: undefined, backend: 'none', reason: `${tracepoint} ${found}` };
    }
    const reason = `${tracepoint}(${parameters.join(', ')}) in the kernel's BTF`;
    return typed
      ? { hook, program: hook, backend: 'tp_btf', reason }
      : { hook, program: `${hook}_raw`, backend: 'raw_tp', reason: `${reason}; raw_tp was asked for` };
  });
  return [...functions, ...rest, chooseTick(facts, typed && memstall !== 'kprobe')];
}

function chooseMemstall(
  { psi, fentry, kprobe }: PressureFacts,
  forced: PressureBackend | undefined,
): [PressureChoice['backend'] & (PressureBackend | 'none'), string] {
  const without = 'swap-in and refaults that wait for nothing are not seen by tracepoints';
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
