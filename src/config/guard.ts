/** The [guard] section: rules, whom they spare, and what is done. */

import type { GuardConfig } from '../guard/guard-config.ts';
import { Pattern } from '../guard/rules/pattern.ts';
import type { Match, Place, Preference, Rule, Step } from '../guard/rules/rule.ts';
import { checkRules } from './check-rules.ts';
import { defaultProtection, rawDefaultRules } from './defaults.ts';
import { detector } from './detector.ts';
import { Faults } from './fault.ts';
import {
  choice,
  duration,
  field,
  list,
  needed,
  oneOrMore,
  optional,
  parsed,
  type Shape,
  size,
  table,
  text,
  type ValueOf,
  whole,
  yesOrNo,
} from './shape.ts';

const pattern: Shape<Pattern> = parsed('a regular expression', (source) => {
  try {
    return new Pattern(source);
  } catch (error) {
    throw new Error(`expected a regular expression: ${(error as Error).message} (in ${JSON.stringify(source)}).`);
  }
});

const adjRange = parsed('a range such as "0..300"', (given) => {
  const [, least, most] = /^(-?\d+)\.\.(-?\d+)$/.exec(given) ?? [];
  const range = { least: Number(least), most: Number(most) };
  if (least !== undefined && range.least >= -1000 && range.least <= range.most && range.most <= 1000) return range;
  throw new Error(`expected a range from -1000 to 1000 such as "0..300", got "${given}".`);
});

const matchFields = {
  comm: optional(pattern, 'regular expression over the name, at most 15 bytes'),
  exe: optional(pattern, 'regular expression over the path of the program'),
  cmdline: optional(pattern, 'regular expression over the arguments, joined by blanks'),
  uid: optional(whole(0, 2 ** 32 - 2), 'the user'),
  oom_score_adj: optional(adjRange, 'as "LEAST..MOST"'),
  cgroup: optional(text, 'glob over the path of the cgroup'),
  unit: optional(text, 'glob over the name of the systemd unit'),
  container: optional(text, 'glob over the id or name of the container'),
};

const matchTable = table(matchFields);
const match: Shape<Match> = {
  schema: { ...matchTable.schema, minProperties: 1 },
  read(value, path, faults) {
    const given = matchTable.read(value, path, faults);
    return given && toMatch(given, path, faults);
  },
};

const preferenceTable = table({
  ...matchFields,
  points: field(whole(1, 2000), 300, 'thousandths of the memory in question'),
});
const preference: Shape<Preference> = {
  schema: preferenceTable.schema,
  read(value, path, faults) {
    const given = preferenceTable.read(value, path, faults);
    const found = given && toMatch(given, path, faults);
    return found && { match: found, points: given.points };
  },
};

function toMatch(given: ValueOf<typeof matchTable>, path: string, faults: Faults): Match | undefined {
  const shown = Object.entries(given)
    .filter(([name, value]) => value !== undefined && Object.hasOwn(matchFields, name))
    .map(([name, value]) => {
      if (value instanceof Pattern) return `${name} ${value.source}`;
      return typeof value === 'object' ? `${name} ${value.least}..${value.most}` : `${name} ${value}`;
    });
  if (shown.length === 0) return faults.add(path, `expected at least one of ${Object.keys(matchFields).join(', ')}.`);
  const { comm, exe, cmdline, uid, oom_score_adj, cgroup, unit, container } = given;
  return {
    text: shown.join(', '),
    ...(comm && { comm }),
    ...(exe && { exe }),
    ...(cmdline && { cmdline }),
    ...(uid !== undefined && { uid }),
    ...(oom_score_adj && { oomScoreAdj: oom_score_adj }),
    ...(cgroup !== undefined && { cgroup }),
    ...(unit !== undefined && { systemdUnit: unit }),
    ...(container !== undefined && { container }),
  };
}

const place: Shape<Place> = parsed('"system", "containers", or the path of a cgroup with * and ?', (given) => {
  if (given === 'system' || given === 'containers') return { kind: given };
  if (given.startsWith('/')) return { kind: 'cgroup', glob: given };
  throw new Error(`expected "system", "containers", or the path of a cgroup that begins with "/", got "${given}".`);
});

const patience = parsed('a time such as "10s", or "never"', (given) =>
  given === 'never' ? Number.POSITIVE_INFINITY : (duration.read(given, '', throwing) as number),
);

/** For a shape within a parser. */
const throwing = {
  list: [],
  add(_path: string, message: string): never {
    throw new Error(message);
  },
} as unknown as Faults;

const defaultWaits: Record<Step['do'], number> = {
  notify: 0,
  exec: 5000,
  reclaim: 500,
  throttle: 5000,
  freeze: 1000,
  term: 10_000,
  kill: 10_000,
};

const stepTable = table({
  do: needed(choice('notify', 'exec', 'reclaim', 'throttle', 'freeze', 'term', 'kill'), 'what is done'),
  if: field(list(detector), [], 'passed over unless all of these hold when its turn comes'),
  at_once: field(list(detector), [], 'done before its turn when all of these hold'),
  wait: optional(patience, 'how long it may take to help before the next; exec: how long it may run'),
  command: optional(list(text, 1), 'exec: the program and its arguments; no shell'),
  bytes: optional(size, 'reclaim: how much'),
  percent: optional(whole(10, 100), 'throttle: memory.high in percent of what is used'),
});
const step: Shape<Step> = {
  schema: stepTable.schema,
  read(value, path, faults) {
    const given = stepTable.read(value, path, faults);
    if (!given) return undefined;
    const { do: what, command, bytes, percent } = given;
    const belongs = { exec: 'command', reclaim: 'bytes', throttle: 'percent' } as Partial<Record<Step['do'], string>>;
    for (const [owner, name] of Object.entries(belongs)) {
      if (owner !== what && given[name as 'command'] !== undefined) {
        faults.add(`${path}.${name}`, `belongs to a step that does "${owner}", not "${what}".`);
      }
    }
    if (what === 'exec' && !command) return faults.add(path, 'expected "command" for a step that does "exec".');
    return {
      do: what,
      if: given.if,
      atOnce: given.at_once,
      waitMs: given.wait ?? defaultWaits[what],
      ...(command && { command }),
      ...(what === 'reclaim' && { bytes: bytes ?? 64 * 2 ** 20 }),
      ...(what === 'throttle' && { percent: percent ?? 90 }),
    };
  },
};

export const defaultSteps: Step[] = (['term', 'kill'] as const).map((what) => ({
  do: what,
  if: [],
  atOnce: [],
  waitMs: defaultWaits[what],
}));

const ruleTable = table({
  name: needed(text, 'what it is called in events'),
  on: field(oneOrMore(place), [{ kind: 'system' }], '"system", "containers", or cgroups by path, with * and ?'),
  when: needed(list(detector, 1), 'fires when all of these hold'),
  rank: field(
    choice('badness', 'projected', 'oom_score', 'rss', 'swap', 'growth', 'pressure'),
    'badness',
    'by what the victim is chosen',
  ),
  kill: field(choice('process', 'process_group', 'cgroup'), 'process', 'what is killed at a time'),
  prefer: field(list(preference), [], 'more likely to be chosen'),
  avoid: field(list(preference), [], 'less likely to be chosen'),
  never: field(list(match), [], 'never chosen by this rule'),
  min_size: field(size, 16 * 2 ** 20, 'whoever has less memory is left alone'),
  min_points: optional(whole(-2000, 2000), 'whoever has fewer points is left alone'),
  ignore_positive_adj: field(yesOrNo, false, 'an oom_score_adj above 0 does not count'),
  oom_group: field(yesOrNo, true, 'memory.oom.group: the whole cgroup goes'),
  steps: field(list(step, 1), defaultSteps, 'what is done, one after the other, for as long as it is needed'),
  cool_down: field(duration, 200, 'how long the rule rests after its steps'),
  undo_after: field(duration, 30_000, 'throttle and freeze are taken back so long after the shortage'),
});
const rule: Shape<Rule> = {
  schema: ruleTable.schema,
  read(value, path, faults) {
    const given = ruleTable.read(value, path, faults);
    if (!given) return undefined;
    const { name, on, when, rank, kill, prefer, avoid, never, steps } = given;
    return {
      ...{ name, on, when, rank, never, steps, unit: kill },
      preferences: [...prefer, ...avoid.map(({ match: whom, points }) => ({ match: whom, points: -points }))],
      minBytes: given.min_size,
      minPoints: given.min_points ?? Number.NEGATIVE_INFINITY,
      ignorePositiveAdj: given.ignore_positive_adj,
      honourOomGroup: given.oom_group,
      coolDownMs: given.cool_down,
      undoAfterMs: given.undo_after,
    };
  },
};

/** Two cautious ones. */
export const defaultRules = () => list(rule).read(rawDefaultRules, 'rule', throwing) as Rule[];

const guardTable = table({
  mode: field(choice('dry_run', 'shadow', 'enforce'), 'dry_run', 'only "enforce" touches anything'),
  rule: optional(list(rule, 1), 'each leads to its own steps; without any, two cautious ones'),
  protect: field(list(match), [], 'never chosen, by any rule'),
  default_protection: field(yesOrNo, true, 'spare what a machine cannot be used without: systemd, sshd, dockerd, …'),
  kills_per_minute: field(whole(1, 1000), 10, 'no more than this are killed in any 60 s'),
  raise_score: field(yesOrNo, true, "raise the likely victim's oom_score_adj while memory is short, and restore it"),
  arm: field(yesOrNo, true, 'have the likely victim signalled from within the kernel, should memory run out at once'),
  lock_memory: field(yesOrNo, true, 'keep the guard itself in memory'),
  realtime_priority: field(
    whole(0, 99),
    1,
    'SCHED_RR: ahead of all that reclaim memory, and with a reserve of the kernel to draw on; 0: none',
  ),
  state_file: optional(
    text,
    'what has to be taken back after a crash is written down here; by default in STATE_DIRECTORY',
  ),
  fastest: field(duration, 10, 'looks no more often than this'),
});

export const guardShape: Shape<GuardConfig> = {
  schema: guardTable.schema,
  read(value, path, faults) {
    const given = guardTable.read(value, path, faults);
    if (!given) return undefined;
    if (given.rule) checkRules(given.rule, path === '' ? 'rule' : `${path}.rule`, faults);
    return {
      mode: given.mode,
      policy: {
        rules: given.rule ?? defaultRules(),
        killsPerMinute: given.kills_per_minute,
        protect: [...(given.default_protection ? defaultProtection() : []), ...given.protect],
      },
      raiseScore: given.raise_score,
      arm: given.arm,
      lockMemory: given.lock_memory,
      realtimePriority: given.realtime_priority,
      stateFile: given.state_file,
      fastestMs: given.fastest,
    };
  },
};

/** What stands for a [guard] section: options of the command line, the configuration of another program. */
export function readGuard(section: Record<string, unknown>): {
  guard: GuardConfig | undefined;
  faults: Faults['list'];
} {
  const faults = new Faults();
  const guard = guardShape.read(section, '', faults);
  return { guard: faults.list.length === 0 ? guard : undefined, faults: faults.list };
}
