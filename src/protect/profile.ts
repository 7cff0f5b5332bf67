/**
 * Profiles: the oom_score_adj that a kind of program should have, and how its processes are recognised. Always by a whole
 * name, never by a part of one: `code` must not match `postcode`.
 */
import {
  DATABASE_ADJ,
  EXPENDABLE_ADJ,
  type Survivor,
  SYSTEM_ADJ,
  serviceLines,
  survivorOf,
  survivorsOf,
  WEB_ADJ,
} from '../survivors/survivors.ts';

export interface Profile {
  name: string;
  about: string;
  /** In thousandths of the memory that ran out: -1000 is never killed, 1000 is killed first. */
  oomScoreAdj: number;
  /** systemd's OOMPolicy= for its units. null: left as it is. */
  oomPolicy: OomPolicy | null;
  /** A process that matches one of them is of this profile. */
  selectors: Selector[];
  /**
   * Children that run the same program put themselves back to 0, and are left alone. The environment in which they do so,
   * for a drop-in.
   */
  childrenReset?: readonly string[];
}

/** What systemd does with a unit of which a process was OOM-killed; `kill` sets memory.oom.group, too. */
export type OomPolicy = 'continue' | 'stop' | 'kill';

export const selectorKinds = ['unit', 'cgroup', 'exe', 'comm'] as const;
export type SelectorKind = (typeof selectorKinds)[number];

export interface Selector {
  by: SelectorKind;
  is: string;
}

const postgresql = survivorOf('postgres') as Survivor;
const databases = survivorsOf('database').filter((each) => each !== postgresql);

/**
 * From the table of survivors. No profile that protects matches by `comm`, which any process can give itself. The numbers of
 * old guides (-17, -10, -5) are those of oom_adj, which the kernel dropped in 2012.
 */
export const builtIn: readonly Profile[] = [
  {
    name: 'critical',
    oomScoreAdj: SYSTEM_ADJ,
    oomPolicy: null,
    about: 'without them no login is possible',
    selectors: [...unitsOf(survivorsOf('access', 'system')), ...programsOf(survivorsOf('access'))],
  },
  {
    name: 'postgresql',
    oomScoreAdj: postgresql.adj ?? 0,
    oomPolicy: 'continue',
    about: 'the postmaster; when one of its processes is killed, it restarts all of them',
    selectors: programsOf([postgresql]),
    childrenReset: postgresql.environment ?? [],
  },
  {
    name: 'database',
    oomScoreAdj: DATABASE_ADJ,
    oomPolicy: 'continue',
    about: 'a kill ends all connections, and recovery takes minutes',
    selectors: programsOf(databases),
  },
  {
    name: 'web',
    oomScoreAdj: WEB_ADJ,
    oomPolicy: 'continue',
    about: 'in front of other services; a lost worker is soon replaced',
    selectors: programsOf(survivorsOf('web')),
  },
  {
    name: 'expendable',
    oomScoreAdj: EXPENDABLE_ADJ,
    oomPolicy: null,
    about: 'started again by a click: browsers, editors',
    selectors: programsOf(survivorsOf('expendable')),
  },
];

/** The lines of a unit's [Service] section that give its processes the profile's value each time it starts. */
export function profileServiceLines({ oomScoreAdj, oomPolicy, childrenReset = [] }: Profile): string[] {
  const lines = serviceLines({ adj: oomScoreAdj, environment: childrenReset });
  return oomPolicy === null ? lines : [...lines, `OOMPolicy=${oomPolicy}`];
}

function unitsOf(them: readonly Survivor[]): Selector[] {
  return them.flatMap(({ units }) => units.map((is): Selector => ({ by: 'unit', is })));
}

function programsOf(them: readonly Survivor[]): Selector[] {
  return them.flatMap(({ programs }) => programs.map((is): Selector => ({ by: 'exe', is })));
}
