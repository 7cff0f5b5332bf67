/** Ten containers: six with an OOM, two killed by hand, two that stay alive. The expected events are the same for every runtime. */
import type { MemoryGroup } from '../../src/demo/memory-group.ts';
import { type Daemon, runOptions } from './daemon.ts';

const EAT = ['tail', '/dev/zero'];

export interface TenOptions {
  runtime: 'docker' | 'podman';
  /** The name of the image in the runtime. */
  image: string;
  /** Parent group of two containers, with its own limit. */
  slice: MemoryGroup;
  /** Options of the containers that end by themselves: in the foreground, or `-d`. */
  ending?: string[];
  /** Options of the two containers "fine" and "oom-late". */
  labels?: string[];
}

/** Starts first the containers that stay alive: with several containers, a wrong name cannot be right by chance. */
export async function startTen(daemon: Daemon, options: TenOptions): Promise<void> {
  const { runtime, slice, ending = [], labels = [] } = options;
  const run = (name: string, words: string[], command: string[]) =>
    daemon.command(runOptions(daemon, name, words, command), true);
  await run('fine', ['-d', '-m', '64m', ...labels], ['sleep', '1000']);
  await run('fine-in-slice', ['-d', '--cgroup-parent', slice.cgroupPath], ['sleep', '1000']);
  await run(`hand-${runtime}`, ['-d', '-m', '32m'], ['sleep', '1000']);
  await run('hand-kill', ['-d', '-m', '32m'], ['sleep', '1000']);
  await run('oom', [...ending, '-m', '32m'], EAT);
  await run('oom-late', [...ending, '-m', '32m', ...labels], ['sh', '-c', 'sleep 0.5; exec tail /dev/zero']);
  await run('oom-host-pid', [...ending, '-m', '32m', '--pid', 'host'], EAT);
  await run('oom-rm', [...ending, '-m', '32m', '--rm'], EAT);
  await run('oom-child', ['-d', '-m', '32m'], ['sh', '-c', 'tail /dev/zero; sleep 1000']);
  await run('oom-slice', [...ending, '--cgroup-parent', slice.cgroupPath], EAT);
  await daemon.command(['kill', `hand-${runtime}`]);
  process.kill(Number(await daemon.command(['inspect', '-f', '{{.State.Pid}}', 'hand-kill'])), 'SIGKILL');
}

export const withOom = ['oom', 'oom-late', 'oom-host-pid', 'oom-rm', 'oom-child', 'oom-slice'];

/** The expected ends by container name; the two containers that stay alive have none. */
export function expectedEnds({ runtime, image }: Pick<TenOptions, 'runtime' | 'image'>): [name: string, end: object][] {
  const who = { image, runtime };
  const oom = { ...who, verdict: 'main_killed', limit_of: 'container', kills: 1, ended: true, exit_code: 137 };
  const byHand = { ...who, exit_code: 137, kernel_watched: true };
  return [
    ['oom', oom],
    ['oom-late', oom],
    ['oom-host-pid', oom],
    ['oom-rm', oom],
    ['oom-child', { ...oom, verdict: 'process_killed', ended: false, exit_code: null }],
    ['oom-slice', { ...oom, limit_of: 'cgroup_above' }],
    [`hand-${runtime}`, { ...byHand, by: 'runtime' }],
    ['hand-kill', { ...byHand, by: 'other' }],
  ];
}
