/** A scenario of the kernel lab: a small program that makes the kernel kill, and the events that must follow. */
import type { OomKill } from '../../src/model/events.ts';
import type { MemoryGroup } from '../kernel/memcg.ts';
import type { Recording } from '../kernel/recorder.ts';

/** The machine that a scenario runs on. */
export interface Here {
  /** True in a guest of the lab, where the whole system may run out of memory. */
  guest: boolean;
  cgroupVersion: 1 | 2;
  numaNodes: number;
  swap: boolean;
}

export interface Lab extends Here {
  recorder: Recording;
  /** Also compares the kill counters of this cgroup with our events. */
  watch(group: MemoryGroup): void;
  /** Records a difference unless the two values are equal. */
  same(what: string, actual: unknown, expected: unknown): void;
  /** Resolves with all kills of this scenario, after `count` of them or a timeout. */
  kills(count: number): Promise<OomKill[]>;
}

export interface Scenario {
  name: string;
  about: string;
  /** Why the scenario cannot run here; undefined when it can. */
  notHere?: (here: Here) => string | undefined;
  run(lab: Lab): Promise<void>;
}

export const onlyGuest = ({ guest }: Here) => (guest ? undefined : 'only in a guest');
export const onlyNuma = (here: Here) => onlyGuest(here) ?? (here.numaNodes < 2 ? 'needs two NUMA nodes' : undefined);
