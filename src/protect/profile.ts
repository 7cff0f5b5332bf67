/**
 * Profiles: the oom_score_adj that a kind of program should have, and how its processes are recognised. A name must
 * match as a whole: `code` must not match `postcode`.
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
  /**
   * The value to set, in thousandths of the memory that ran out. The kernel never kills a process with -1000, and kills
   * a process with 1000 first.
   */
  oomScoreAdj: number;
  /** systemd's OOMPolicy= for the units of this profile. null: OOMPolicy= is not changed. */
  oomPolicy: OomPolicy | null;
  /** A process belongs to this profile if it matches one of these selectors. */
  selectors: Selector[];
  /**
   * Environment variables for a drop-in, with which the program's children set their own oom_score_adj back to 0.
   * `protect` does not change such children.
   */
  childrenReset?: readonly string[];
}

/**
 * What systemd does with a unit after the kernel's OOM killer has killed one of its processes. `kill` also sets
 * memory.oom.group.
 */
export type OomPolicy = 'continue' | 'stop' | 'kill';

export const selectorKinds = ['unit', 'cgroup', 'exe', 'comm'] as const;
export type SelectorKind = (typeof selectorKinds)[number];

export interface Selector {
  by: SelectorKind;
  is: string;
  /**
   * For `exe`: the users, by name or number, and the system units that run the program. Any user can run the program of a
   * database, and load other code into it (LD_PRELOAD). So a profile that lowers the value matches a process by its
   * program only if root, one of these users or one of these units runs it.
   */
  users?: readonly string[];
  units?: readonly string[];
}

const postgresql = survivorOf('postgres') as Survivor;
const databases = survivorsOf('database').filter((each) => each !== postgresql);

/**
 * The built-in profiles, from the table of survivors. No profile with a negative value matches by `comm`, because any
 * process can set its own `comm`. Values such as -17, -10 or -5 in old guides are for oom_adj, which the kernel removed
 * in 2012.
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

/** The lines for a unit's [Service] section that set the profile's value each time the unit starts. */
export function profileServiceLines({ oomScoreAdj, oomPolicy, childrenReset = [] }: Profile): string[] {
  const lines = serviceLines({ adj: oomScoreAdj, environment: childrenReset });
  return oomPolicy === null ? lines : [...lines, `OOMPolicy=${oomPolicy}`];
}

function unitsOf(them: readonly Survivor[]): Selector[] {
  return them.flatMap(({ units }) => units.map((is): Selector => ({ by: 'unit', is })));
}

function programsOf(them: readonly Survivor[]): Selector[] {
  return them.flatMap(({ programs, users, units }) =>
    programs.map((is): Selector => ({ by: 'exe', is, users, units })),
  );
}
