/** What a scenario of the kernel lab is: a small program that makes the kernel kill, and what must be seen of it. */
import type { OomKill } from '../../src/model/events.ts';
import type { MemoryGroup } from '../kernel/memcg.ts';
import type { Recording } from '../kernel/recorder.ts';

/** Where it runs. */
export interface Here {
  /** A guest of the lab, where a whole system may run out of memory. */
  guest: boolean;
  cgroupVersion: 1 | 2;
  numaNodes: number;
  swap: boolean;
}

export interface Lab extends Here {
  recorder: Recording;
  /** Its counters are reconciled too. */
  watch(group: MemoryGroup): void;
  /** Notes a difference unless the two are equal. */
  same(what: string, actual: unknown, expected: unknown): void;
  /** All kills of this scenario, once as many as that have been seen, or after a while. */
  kills(count: number): Promise<OomKill[]>;
}

export interface Scenario {
  name: string;
  about: string;
  /** Why it cannot be here; undefined when it can. */
  notHere?: (here: Here) => string | undefined;
  run(lab: Lab): Promise<void>;
}

export const onlyGuest = ({ guest }: Here) => (guest ? undefined : 'only in a guest');
export const onlyNuma = (here: Here) => onlyGuest(here) ?? (here.numaNodes < 2 ? 'needs two NUMA nodes' : undefined);
