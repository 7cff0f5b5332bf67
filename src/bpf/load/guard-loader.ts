/**
 * Loads bpf/guard.bpf.c: an object of its own, so that a tracer without a guard does not pay for it.
 */
import { readlinkSync } from 'node:fs';
import { OomscopeError } from '../../model/error.ts';
import { Btf, Kind } from '../libbpf/index.ts';
import { type Attached, attachObject } from './attach.ts';
import { obstacle } from './tracer-loader.ts';

export interface LoadedGuard extends Attached {
  /** true: the kernel itself signals. false: its records ask userspace to signal. */
  signals: boolean;
  /** Why the kernel signals, or why it does not. */
  reason: string;
}

/** Holds some 600 records. At most 16 targets are armed at a time, with two records for each. */
const RING_BYTES = 65536;
/** kfuncs since 6.2, 6.2 and 6.13. */
const KFUNCS = ['bpf_task_from_pid', 'bpf_task_release', 'bpf_send_signal_task'];
/** The program of each tracepoint. */
const PROGRAMS = {
  mm_vmscan_memcg_reclaim_end: 'memcg_reclaim_end',
  reclaim_retry_zone: 'reclaim_retry_zone',
  signal_generate: 'signal_generate',
};
/** include/linux/proc_ns.h PROC_PID_INIT_INO */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * @param options `kernelSignals` false: the kernel must not signal, even where it can
 * @throws OomscopeError: see obstacle(), and OBJECT_MISSING, LIBBPF, KERNEL_TOO_OLD
 */
export function loadGuard({ kernelSignals }: { kernelSignals: boolean }): LoadedGuard {
  const inTheWay = obstacle();
  if (inTheWay) throw inTheWay;
  const { programs, lacking } = guardFacts();
  if (programs.length < Object.keys(PROGRAMS).length) {
    throw new OomscopeError(
      'KERNEL_TOO_OLD',
      `The kernel's BTF knows only ${programs.join(', ') || 'none'} of the hooks of the guard.`,
    );
  }
  const reason = kernelSignals ? whyNot(lacking) : 'another backend was asked for';
  const attached = attachObject({
    file: 'guard.bpf.o',
    programs: new Set(programs),
    constants: { can_signal: reason === undefined ? 1 : 0 },
    ringBytes: RING_BYTES,
  });
  return { ...attached, signals: reason === undefined, reason: reason ?? 'the kernel has bpf_send_signal_task()' };
}

function whyNot(lacking: string | undefined): string | undefined {
  if (lacking !== undefined) return `the kernel has no ${lacking}()`;
  // The kernel's programs know pids of the first namespace only.
  if (readlinkSync('/proc/self/ns/pid') !== FIRST_PID_NAMESPACE) return 'this process is in a pid namespace of its own';
  return undefined;
}

let facts: { programs: string[]; lacking: string | undefined } | undefined;

function guardFacts() {
  if (facts) return facts;
  const kernel = Btf.ofKernel();
  try {
    const there = Object.entries(PROGRAMS).filter(([tracepoint]) => kernel.tracepoint(tracepoint));
    facts = {
      programs: there.map(([, program]) => program),
      lacking: KFUNCS.find((name) => kernel.find(name, Kind.func) === undefined),
    };
  } finally {
    kernel.free();
  }
  return facts;
}
