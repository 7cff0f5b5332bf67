/** What prevents a start, found before anything is opened that others would notice: spools, listeners, connections. */
import type { Config } from '../config/config.ts';
import type { OomscopeError } from '../model/error.ts';

/** Whether a configuration needs BPF programs that watch the kernel. */
export const isObserving = ({ trace, pressure }: Config): boolean => trace.enabled || pressure.enabled;

/** Why this process cannot do what a configuration asks for; undefined: it can. */
export async function obstacleTo(config: Config): Promise<OomscopeError | undefined> {
  return isObserving(config) ? (await import('../bpf/load/tracer-loader.ts')).obstacle() : undefined;
}
