/**
 * Loads bpf/signals.bpf.c. It is an object of its own, so that a tracer that reports only OOM kills does not load it.
 */
import { constants } from 'node:os';
import { OomscopeError } from '../../model/error.ts';
import { DeathFilter } from '../wire/layout.ts';
import { type Attached, attachObject } from './attach.ts';
import { askKernel } from './kernel-types.ts';
import { refuseObstacle } from './tracer-loader.ts';
import { type Choice, chooseTracepoint, type TracepointHook } from './variants.ts';

/**
 * Which deaths by a signal are reported.
 * - `kill`: by SIGKILL.
 * - `sent`: the same, and by each other signal that another process sent.
 * - `all`: by any signal; crashes, Ctrl-C and SIGPIPE, too.
 */
export type Deaths = 'kill' | 'sent' | 'all';

const filters: Record<Deaths, number> = {
  kill: DeathFilter.DEATHS_SIGKILL,
  sent: DeathFilter.DEATHS_SENT,
  all: DeathFilter.DEATHS_ALL,
};

/** The ring holds some 500 deaths: a death has two records of together some 1,000 bytes. */
const RING_BYTES = 512 * 1024;

/** The tracepoints of bpf/signals.bpf.c. */
const tracepoints = [
  {
    hook: 'fatal_signal',
    tracepoint: 'signal_generate',
    variants: [{ program: 'signal_generate', matches: (p) => p.length === 5 }],
    fixed: true,
    required: true,
  },
  {
    hook: 'process_end',
    tracepoint: 'sched_process_exit',
    variants: [
      { program: 'process_end_1', matches: (p) => p.length === 1 },
      { program: 'process_end_2', matches: (p) => p.length === 2 },
    ],
    required: true,
  },
] as const satisfies TracepointHook[];

type SignalHook = (typeof tracepoints)[number]['hook'];

export interface LoadedSignals extends Attached {
  choices: Choice<SignalHook>[];
}

const { SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIGKILL } = constants.signals;
const { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS } = constants.signals;
/** Signals whose default action ignores them, stops the process or continues it: signal(7). */
const harmless = [SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH];
/** Signals whose default action is to write a core file. */
const core = [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS];
const SIGNALS = 64;

const mask = (signals: readonly number[]) => signals.reduce((bits, signal) => bits | (1n << BigInt(signal - 1)), 0n);
const every = Array.from({ length: SIGNALS }, (_, i) => i + 1);

/** @throws OomscopeError: see obstacle(), and OBJECT_MISSING, LIBBPF, KERNEL_TOO_OLD */
export function loadSignals(deaths: Deaths): LoadedSignals {
  refuseObstacle();
  const choices = chooseSignalHooks();
  const lacking = choices.find(({ program }) => program === undefined);
  if (lacking) throw new OomscopeError('KERNEL_TOO_OLD', `The senders of signals cannot be traced: ${lacking.reason}.`);
  const attached = attachObject({
    file: 'signals.bpf.o',
    programs: new Set(choices.flatMap(({ program }) => program ?? [])),
    constants: { death_filter: filters[deaths] },
    configure: (object) => {
      const fatal = deaths === 'kill' ? [SIGKILL] : every.filter((signal) => !harmless.includes(signal));
      object.setConstant('fatal_signals', mask(fatal));
      object.setConstant('core_signals', mask(core));
    },
    ringBytes: RING_BYTES,
  });
  return { ...attached, choices };
}

function chooseSignalHooks(): Choice<SignalHook>[] {
  return askKernel((kernel) =>
    tracepoints.map((hook) => chooseTracepoint<SignalHook>(hook, (name) => kernel.tracepoint(name), undefined)),
  );
}
