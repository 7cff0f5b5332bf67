import { release } from 'node:os';
import { memoryHierarchy } from '../linux/memory-hierarchy.ts';
import type { HookState, TracerStarted } from '../model/tracer.ts';
import { VERSION } from '../version.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from './envelope.ts';

/** A hook as the loaders have it: without a program it is undefined, in an event null. */
export type ChosenHook = Omit<HookState, 'program'> & { program?: string | null | undefined };

/** The event that says which hook is served by which program, and why. */
export function startedEvent(
  envelopes: EnvelopeFactory,
  start: {
    message: string;
    hooks: readonly ChosenHook[];
    /** The version of libbpf. undefined: nothing needed it. */
    libbpf?: string | undefined;
    /** CLOCK_MONOTONIC, when the call began. undefined: starting took no time worth measuring. */
    sinceNs?: bigint | undefined;
  },
): TracerStarted {
  const now = process.hrtime.bigint();
  return Object.freeze({
    ...envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope', start.message),
    type: 'tracer.started',
    version: VERSION,
    kernel: release(),
    libbpf: start.libbpf ?? 'not loaded',
    cgroup_version: memoryHierarchy()?.version ?? null,
    hooks: start.hooks.map(({ hook, backend, program, reason }) => ({
      hook,
      backend,
      program: program ?? null,
      reason,
    })),
    start_ns: start.sinceNs === undefined ? 0 : Number(now - start.sinceNs),
  });
}
