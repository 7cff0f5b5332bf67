import { release } from 'node:os';
import { memoryHierarchy } from '../linux/memory-hierarchy.ts';
import type { HookState, TracerStarted } from '../model/tracer.ts';
import { VERSION } from '../version.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from './envelope.ts';

/** A hook as the loaders return it. A missing program is undefined here, and null in an event. */
export type ChosenHook = Omit<HookState, 'program'> & { program?: string | null | undefined };

/** Creates the `tracer.started` event, which says which program serves which hook, and why. */
export function startedEvent(
  envelopes: EnvelopeFactory,
  start: {
    message: string;
    hooks: readonly ChosenHook[];
    /** The version of libbpf. undefined: libbpf was not needed. */
    libbpf?: string | undefined;
    /** When the start began, by CLOCK_MONOTONIC. undefined: `start_ns` becomes 0. */
    sinceNs?: bigint | undefined;
  },
): TracerStarted {
  const now = process.hrtime.bigint();
  return Object.freeze({
    // Records may be older than this call: each hook works from the moment at which it is attached.
    ...envelopes.next(start.sinceNs ?? now, realtimeOffsetNs(), 'info', 'oomscope', start.message),
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
