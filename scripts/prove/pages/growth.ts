/** Draws of memory that grows steadily to a limit. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createMemoryGroup } from '../../../src/demo/memory-group.ts';
import { EnvelopeFactory } from '../../../src/events/envelope.ts';
import { openShortageWatch } from '../../../src/pressure/shortage-watch.ts';

const HOG = join(import.meta.dirname, '..', '..', '..', 'build', 'hog');
const MIB = 2 ** 20;

export interface Growing {
  limitBytes: number;
  /** How long the growth takes. */
  seconds: number;
}

export interface Draw extends Growing {
  /** How long before the kill the shortage was critical. null: it was not. */
  leadSeconds: number | null;
}

/** Draws limits of 48 to 256 MiB, and growth that takes 3.2 to 15 s. */
export function drawGrowth(seed: number): () => Growing {
  let state = seed;
  const next = () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
  return () => ({ limitBytes: Math.round(48 + 208 * next()) * MIB, seconds: 3.2 * (15 / 3.2) ** next() });
}

/** Lets a process grow until the kernel kills it, beside the default profile. */
export async function watchGrowth({ limitBytes, seconds }: Growing): Promise<Draw> {
  const group = createMemoryGroup({ limitBytes });
  let criticalMs: number | null = null;
  const watch = openShortageWatch('default', undefined, {
    envelopes: new EnvelopeFactory(),
    wants: (path) => path === group.cgroupPath,
    emit: ({ level, subject }) => {
      if (level === 'critical' && subject.path === group.cgroupPath) criticalMs ??= performance.now();
    },
    onError: (error) => {
      throw error;
    },
  });
  try {
    const rate = Math.round(limitBytes / seconds);
    const child = spawn(HOG, ['--cgroup', group.path, '--adj', '0', '--rate', String(rate)], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('close', resolve));
    const endMs = performance.now();
    if (group.events().oom_kill !== 1) throw new Error('expected the kernel to kill the process');
    return { limitBytes, seconds, leadSeconds: criticalMs === null ? null : (endMs - criticalMs) / 1000 };
  } finally {
    watch?.close();
    group.remove();
  }
}
