import { obstacle } from '../../src/bpf/load/tracer-loader.ts';

/** Why BPF programs cannot be loaded here, in one sentence; undefined when they can. For `describe.skipIf(…)`. */
export function bpfUnavailable(): string | undefined {
  return obstacle()?.message;
}
