/** Draws the layouts of shortages from a seed: innocent processes, and eaters or none. Pure. */
import { seeded } from '../../../test/seeded.ts';

export type Scope = 'cgroup' | 'system';

export interface Role {
  /** The name of the kind, for the table. */
  kind: string;
  /** The words of actor.c. */
  words: string;
}

export interface Layout {
  seed: number;
  scope: Scope;
  /** The limit of the cgroup, or the memory that is available in the system (MiB). */
  roomMib: number;
  innocents: Role[];
  /** Empty: memory is nearly full, and no process may be killed for it. */
  eaters: Role[];
  /** What is right beside the survival of the innocents: the eater ends, or nothing is killed. */
  right: 'eater ends' | 'nothing ends';
}

/** Limits of cgroups (MiB). */
const LIMITS = [14, 48, 64, 96, 128, 160];

/** Largest file that is read again and again (MiB): an emulated disk is slow. */
const MOST_FILE = 80;
/** Ten processes are the least that the guard takes for a storm, so a small room has no storm (MiB). */
const STORM_ROOM = 40;

/** From this seed on, a third innocent process calls fork(2) all the time. */
export const FORKS_FROM = 1000;

/** @param availableMib the memory that is available in the system, for the scope `system` */
export function drawLayout(seed: number, scope: Scope, availableMib = 0): Layout {
  const next = seeded(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T;
  const between = (low: number, high: number) => low + next() * (high - low);
  const roomMib = scope === 'system' ? availableMib : pick(LIMITS);
  const innocents: Role[] = [];
  let left = roomMib;
  const add = (kind: string, mib: number, words: (mib: number) => string, times = 1) => {
    const size = Math.max(1, Math.round(mib));
    innocents.push({ kind, words: words(size) });
    left -= size * times;
  };
  const anon = (more: string) => (mib: number) => `anon ${mib} 0${more}`;
  const file = `/var/tmp/shortage-${seed}`;
  const kinds = {
    holder: () => add('holder', between(0.2, 0.4) * roomMib, anon('')),
    'main thread gone': () => add('main thread gone', between(0.2, 0.4) * roomMib, anon(' leader')),
    protected: () => add('protected', between(0.3, 0.45) * roomMib, anon(' name=sshd')),
    sharers: () => add('sharers', between(0.15, 0.3) * roomMib, (mib) => `share 3 ${mib}`),
    workers: () => {
      for (let i = 0; i < 3; i++) add('worker', Math.min(3, roomMib / 16), anon(''));
    },
    // Pages of files leave when other memory is needed, so they take nothing from `left`.
    reader: () => add('reader', Math.min(MOST_FILE, between(0.3, 0.6) * roomMib), (mib) => `cache ${mib} ${file}`, 0),
  };
  const chosen = Object.keys(kinds) as (keyof typeof kinds)[];
  const calm = next() < 0.25 ? pick(['tmpfs', 'full', 'cache'] as const) : undefined;
  if (calm === 'tmpfs') {
    kinds.workers();
    const fill = Math.floor(left - Math.max(1.5, 0.04 * roomMib));
    const words = `tmpfs ${fill} ${Math.ceil(fill / between(1, 3))} /dev/shm/shortage-${seed}`;
    innocents.push({ kind: 'writer to a tmpfs', words });
    return { seed, scope, roomMib, innocents, eaters: [], right: 'nothing ends' };
  }
  if (calm === 'full') {
    kinds.workers();
    add('holder', left - Math.max(1.5, (scope === 'system' ? 0.25 : 0.05) * roomMib), anon(''));
    return { seed, scope, roomMib, innocents, eaters: [], right: 'nothing ends' };
  }
  if (calm === 'cache') {
    add('holder', 0.3 * roomMib, anon(''));
    add('reader', Math.min(1.5 * MOST_FILE, 1.2 * roomMib), (mib) => `cache ${mib} ${file}`, 0);
    return { seed, scope, roomMib, innocents, eaters: [], right: 'nothing ends' };
  }
  for (let i = 0; i < 2; i++) kinds[chosen.splice(Math.floor(next() * chosen.length), 1)[0] ?? 'holder']();
  // A child holds what its parent holds, so the guard could take it for a process that has grown to this size at once.
  if (seed >= FORKS_FROM) add('forks', between(0.15, 0.25) * roomMib, (mib) => `forks ${mib} 400 150`);
  const rate = Math.max(1, Math.ceil(left / between(1.5, 5)));
  const most = 4 * roomMib;
  const each = Math.max(1, Math.round(left / 20));
  const eaters: Role[] = [
    { kind: 'leak', words: `anon ${most} ${rate}` },
    { kind: 'leak, deaf', words: `anon ${most} ${rate} deaf` },
    { kind: 'leak, main thread gone', words: `anon ${most} ${rate} leader` },
    { kind: 'leak of shared memory', words: `anon ${most} ${rate} shm` },
    ...(roomMib < STORM_ROOM ? [] : [{ kind: 'storm', words: `storm 60 ${each} 100` }]),
  ];
  return { seed, scope, roomMib, innocents, eaters: [pick(eaters)], right: 'eater ends' };
}
