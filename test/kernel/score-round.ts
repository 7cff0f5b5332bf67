/** Makes one OOM kill among processes whose ranking was recorded before. */
import { cgroupDomain } from '../../src/scores/score-domain.ts';
import { ScoreSampler } from '../../src/scores/score-sampler.ts';
import { KernelLog } from './kernel-log.ts';
import { createMemoryGroup, MIB, startHog } from './memcg.ts';

export interface ScoreRound {
  /** The processes in the recorded order, by badness in pages. */
  said: { name: string; pages: number }[];
  killed: string;
}

/**
 * Just before the kill the group reclaims some hundred mapped file pages of each process. Processes whose badness differs by
 * less than this count as equal.
 */
const NEAR_PAGES = 512;

/** True when the kernel killed the process ranked first, or one that counts as equal. */
export function agrees({ said, killed }: ScoreRound): boolean {
  const [first] = said;
  const victim = said.find(({ name }) => name === killed);
  return first !== undefined && victim !== undefined && first.pages - victim.pages <= NEAR_PAGES;
}

const HOLDERS = 4;

/**
 * Hogs of random size and oom_score_adj fill a group, which then gets a limit with little room; another hog, too small to be
 * chosen, exceeds it.
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
    // The limit leaves so little room that the trigger cannot become the largest process.
    group.setLimit(group.usage() + 4 * MIB);
    using scores = new ScoreSampler({ domain: group.cgroupPath, top: 2 * HOLDERS });
    const said = scores.sample().scores.map(({ comm, badness_pages }) => ({ name: comm, pages: badness_pages ?? 0 }));
    if (cgroupDomain(group.cgroupPath).subject.path !== group.cgroupPath)
      throw new Error('expected the group’s own limit');
    using log = new KernelLog();
    const trigger = startHog(group, ['--max', String(6 * MIB), '--comm', 'trigger']);
    await Promise.race(hogs.map(({ ended }) => ended));
    // The victim is read from the log, because the kernel may kill a second process before the first has exited.
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
