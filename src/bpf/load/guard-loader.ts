/**
 * Loads bpf/guard.bpf.c, or bpf/guard-signal.bpf.c where the kernel lets BPF signal a process. It is an object of its own, so that a tracer without a guard does not load these programs.
 */
import { readlinkSync } from 'node:fs';
import { OomscopeError } from '../../model/error.ts';
import { type Attached, attachObject } from './attach.ts';
import { askKernel } from './kernel-types.ts';
import { refuseObstacle } from './tracer-loader.ts';

export interface LoadedGuard extends Attached {
  /** true: the BPF program sends the signal. false: its record makes userspace send the signal. */
  signals: boolean;
  /** Why the BPF program can or cannot send the signal. */
  reason: string;
}

/** The ring holds some 600 records. At most 16 targets are armed at a time, with two records for each. */
const RING_BYTES = 65536;
/** The kfuncs that the program calls; the kernel has them since 6.2, 6.2 and 6.13. */
const KFUNCS = ['bpf_task_from_pid', 'bpf_task_release', 'bpf_send_signal_task'];
/** The program of each tracepoint. */
const PROGRAMS = {
  mm_vmscan_memcg_reclaim_end: 'memcg_reclaim_end',
  reclaim_retry_zone: 'reclaim_retry_zone',
  signal_generate: 'signal_generate',
};
/** The link of the initial pid namespace: include/linux/proc_ns.h PROC_PID_INIT_INO. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/**
 * @param options `kernelSignals` false: userspace must send the signals, even if the BPF program can
 * @throws OomscopeError: see obstacle(), and OBJECT_MISSING, LIBBPF, KERNEL_TOO_OLD
 */
export function loadGuard({ kernelSignals }: { kernelSignals: boolean }): LoadedGuard {
  refuseObstacle();
  const { programs, lacking } = guardFacts();
  if (programs.length < Object.keys(PROGRAMS).length) {
    throw new OomscopeError(
      'KERNEL_TOO_OLD',
      `The kernel's BTF knows only ${programs.join(', ') || 'none'} of the hooks of the guard.`,
    );
  }
  const reason = kernelSignals ? whyNot(lacking) : 'another backend was asked for';
  const attached = attachObject({
    file: reason === undefined ? 'guard-signal.bpf.o' : 'guard.bpf.o',
    programs: new Set(programs),
    constants: {},
    ringBytes: RING_BYTES,
  });
  return { ...attached, signals: reason === undefined, reason: reason ?? 'the kernel has bpf_send_signal_task()' };
}

/**
 * Keeps the programs of a guard loaded while one guard takes the place of another. A reload then neither loads anything nor
 * calls libbpf through FFI, where calls leak.
 */
export class GuardPrograms implements Disposable {
  #loaded: LoadedGuard | undefined;

  /** The programs, which closing the result does not unload. @throws OomscopeError as loadGuard() */
  borrow(options: Parameters<typeof loadGuard>[0]): LoadedGuard {
    this.#loaded ??= loadGuard(options);
    return { ...this.#loaded, detach: () => {}, close: () => {} };
  }

  close(): void {
    this.#loaded?.close();
    this.#loaded = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function whyNot(lacking: string | undefined): string | undefined {
  if (lacking !== undefined) return `the kernel has no ${lacking}()`;
  // BPF programs see the pids of the initial namespace only.
  if (readlinkSync('/proc/self/ns/pid') !== FIRST_PID_NAMESPACE) return 'this process is in a pid namespace of its own';
  return undefined;
}

let facts: { programs: string[]; lacking: string | undefined } | undefined;

function guardFacts() {
  if (facts) return facts;
  facts = askKernel((kernel) => {
    const there = Object.entries(PROGRAMS).filter(([tracepoint]) => kernel.tracepoint(tracepoint));
    return {
      programs: there.map(([, program]) => program),
      lacking: KFUNCS.find((name) => !kernel.hasFunction(name)),
    };
  });
  return facts;
}
