/**
 * Loads bpf/guard.bpf.c: an object of its own, so that who only traces does not pay for it.
 */
import { readlinkSync } from 'node:fs';
import { OomscopeError } from '../../model/error.ts';
import { Btf, Kind } from '../libbpf/index.ts';
import { type Attached, attachObject } from './attach.ts';
import { obstacle } from './tracer-loader.ts';

export interface LoadedGuard extends Attached {
  /** Whether the kernel itself signals; else its records ask for it. */
  signals: boolean;
  /** Why, or why not. */
  reason: string;
}

/** Room for some 600 records: nobody arms as many. */
const RING_BYTES = 65536;
/** kfuncs since 6.2, 6.2 and 6.13. */
const KFUNCS = ['bpf_task_from_pid', 'bpf_task_release', 'bpf_send_signal_task'];
/** By the name of the tracepoint. */
const PROGRAMS = {
  mm_vmscan_memcg_reclaim_end: 'memcg_reclaim_end',
  reclaim_retry_zone: 'reclaim_retry_zone',
  signal_generate: 'signal_generate',
};
/** include/linux/proc_ns.h PROC_PID_INIT_INO */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * @param allowed false: the kernel must not signal, whatever it can
 * @throws OomscopeError: see obstacle(), and OBJECT_MISSING, LIBBPF, KERNEL_TOO_OLD
 */
export function loadGuard(allowed: boolean): LoadedGuard {
  const inTheWay = obstacle();
  if (inTheWay) throw inTheWay;
  const { programs, lacking } = guardFacts();
  if (programs.length < Object.keys(PROGRAMS).length) {
    throw new OomscopeError(
      'KERNEL_TOO_OLD',
      `The kernel's BTF knows only ${programs.join(', ') || 'none'} of the hooks of the guard.`,
    );
  }
  const reason = whyNot(allowed, lacking);
  const attached = attachObject({
    file: 'guard.bpf.o',
    programs: new Set(programs),
    constants: { can_signal: reason === undefined ? 1 : 0 },
    ringBytes: RING_BYTES,
  });
  return { ...attached, signals: reason === undefined, reason: reason ?? 'the kernel has bpf_send_signal_task()' };
}

function whyNot(allowed: boolean, lacking: string | undefined): string | undefined {
  if (!allowed) return 'another backend was asked for';
  if (lacking !== undefined) return `the kernel has no ${lacking}()`;
  // A pid means nothing to the kernel's programs but in the first namespace.
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
