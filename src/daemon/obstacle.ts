/** What prevents a start, found before anything is opened that others would notice: spools, listeners, connections. */
import type { Config } from '../config/config.ts';

/** Whether a configuration needs BPF programs that watch the kernel. */
export const isObserving = ({ trace, pressure }: Config): boolean => trace.enabled || pressure.enabled;

/** @throws OomscopeError that says why this process cannot do what a configuration asks for */
export async function refuseObstacles(config: Config): Promise<void> {
  if (isObserving(config)) (await import('../bpf/load/tracer-loader.ts')).refuseObstacle();
  if (config.guard?.mode === 'enforce') (await import('../guard/may-enforce.ts')).checkMayEnforce();
}
