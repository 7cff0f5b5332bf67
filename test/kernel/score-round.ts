/** One OOM among processes of which it was said before who would be killed. */
import { cgroupDomain } from '../../src/scores/score-domain.ts';
import { Scores } from '../../src/scores/scores.ts';
import { KernelLog } from './kernel-log.ts';
import { createMemoryGroup, MIB, startHog } from './memcg.ts';

export interface ScoreRound {
  /** The processes in the order that was said, by their badness in pages, and the one that the kernel killed. */
  said: { name: string; pages: number }[];
  killed: string;
}

/**
 * File pages that a process maps go when its group reclaims, just before the kill: some hundred pages of each. Whom so little
 * sets apart is as near.
 */
const NEAR_PAGES = 512;

/** Whether the kernel killed the first of them, or one that was as near. */
export function agrees({ said, killed }: ScoreRound): boolean {
  const [first] = said;
  const victim = said.find(({ name }) => name === killed);
  return first !== undefined && victim !== undefined && first.pages - victim.pages <= NEAR_PAGES;
}

const HOLDERS = 4;

/**
 * Some hogs of any size and oom_score_adj fill a group, which gets a limit with a little room; another, too small to be
 * chosen, then takes that room.
 *
 * @param random from 0 up to 1
 */
export async function scoreRound(random: () => number): Promise<ScoreRound> {
  const group = createMemoryGroup({ limitBytes: 256 * MIB });
  const whole = (from: number, to: number) => Math.floor(from + random() * (to - from));
  const hogs = Array.from({ length: HOLDERS }, (_, i) => {
    const args = ['--hold', String(whole(8, 24) * MIB), '--adj', String(whole(0, 300)), '--comm', `holder-${i}`];
    return startHog(group, args);
  });
  try {
    await Promise.all(hogs.map(({ ready }) => ready));
    // What all of them have, and no room for the trigger to become the largest.
    group.setLimit(group.usage() + 4 * MIB);
    using scores = new Scores({ domain: group.cgroupPath, top: 2 * HOLDERS });
    const said = scores.sample().scores.map(({ comm, badness_pages }) => ({ name: comm, pages: badness_pages ?? 0 }));
    if (cgroupDomain(group.cgroupPath).subject.path !== group.cgroupPath)
      throw new Error('expected the group’s own limit');
    using log = new KernelLog();
    const trigger = startHog(group, ['--max', String(6 * MIB), '--comm', 'trigger']);
    await Promise.race(hogs.map(({ ended }) => ended));
    // In the log, for the kernel may have killed a second one before the first was gone.
    const killed = log.read().flatMap((line) => (line.type === 'killed' ? [line.pid] : []));
    const victim = killed.find((pid) => hogs.some((hog) => hog.pid === pid));
    const first = `holder-${hogs.findIndex(({ pid }) => pid === victim)}`;
    trigger.kill('SIGKILL');
    await trigger.ended;
    return { said, killed: first };
  } finally {
    for (const hog of hogs) hog.kill('SIGKILL');
    await Promise.all(hogs.map(({ ended }) => ended));
    group.remove();
  }
}

/** mulberry32: the same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
