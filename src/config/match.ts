/** Selects the processes that a rule prefers, avoids or never kills, by patterns for what /proc says about them. */
import { Pattern } from '../guard/rules/pattern.ts';
import type { Match, Preference } from '../guard/rules/rule.ts';
import type { Faults } from './fault.ts';
import { field, optional, parsed, type Shape, show, table, text, type ValueOf, whole } from './shape.ts';

/**
 * Largest number of states of all regular expressions of a file. "(a{99}){20}" alone has 2,000 states and compiles in
 * 0.2 ms.
 */
const MOST_STATES = 100_000;

const anyPattern: Shape<Pattern> = parsed('a regular expression', (source) => {
  try {
    return new Pattern(source);
  } catch (error) {
    throw new Error(`expected a regular expression: ${(error as Error).message} (in ${show(source)}).`);
  }
});

/** Length of the longest name of a file (NAME_MAX). The name of a process is not longer. */
const LONGEST_NAME = 255;
/** Length of the longest path, and of the longest command line that is read. */
const LONGEST_PATH = 4096;

/** @param longest the length of the longest text that the pattern is compared with @param text what that text is */
const pattern = (text: string, longest: number): Shape<Pattern> => ({
  schema: anyPattern.schema,
  read(value, path, faults) {
    if (faults.patternStates > MOST_STATES)
      return faults.add(path, 'expected smaller patterns: the patterns before this one use up the limit of the file.');
    const read = anyPattern.read(value, path, faults);
    faults.patternStates += read?.states ?? 0;
    if (read && read.leastLength > longest) {
      const why =
        read.leastLength === Number.POSITIVE_INFINITY ? '"^" or "$" is in the wrong place' : `${text} is shorter`;
      return faults.add(path, `${show(read.source)} can never match: ${why}.`);
    }
    return read;
  },
});

const adjRange = parsed('a range such as "0..300"', (given) => {
  const [, least, most] = /^(-?\d+)\.\.(-?\d+)$/.exec(given) ?? [];
  const range = { least: Number(least), most: Number(most) };
  if (least !== undefined && range.least >= -1000 && range.least <= range.most && range.most <= 1000) return range;
  throw new Error(`expected a range from -1000 to 1000 such as "0..300", got "${given}".`);
});

const matchFields = {
  comm: optional(
    pattern('the name of a process', LONGEST_NAME),
    'name of the process, also where the kernel has truncated it',
  ),
  exe: optional(pattern('a path', LONGEST_PATH), 'path of the program'),
  cmdline: optional(pattern('a command line', LONGEST_PATH), 'arguments of the process, joined by blanks'),
  cwd: optional(pattern('a path', LONGEST_PATH), 'working directory, which every process may choose'),
  environ: optional(
    pattern('a variable', LONGEST_PATH),
    'a variable of its environment, as "NAME=VALUE", which every process may choose',
  ),
  uid: optional(whole(0, 2 ** 32 - 2), 'user id'),
  oom_score_adj: optional(adjRange, 'smallest and largest oom_score_adj'),
  cgroup: optional(text, 'glob over the path of the cgroup'),
  unit: optional(text, 'glob over the name of the systemd unit'),
  container: optional(text, 'glob over the id or name of the container'),
};

const matchTable = table(matchFields);

export const match: Shape<Match> = {
  schema: { ...matchTable.schema, minProperties: 1 },
  read(value, path, faults) {
    const given = matchTable.read(value, path, faults);
    return given && toMatch(given, path, faults);
  },
};

const preferenceTable = table({
  ...matchFields,
  points: field(
    whole(1, 2000),
    300,
    'points to add or subtract; 1000 points stand for the whole memory: the limit of the cgroup, or RAM and swap of the system',
  ),
});

export const preference: Shape<Preference> = {
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
  const { comm, exe, cmdline, cwd, environ, uid, oom_score_adj, cgroup, unit, container } = given;
  return {
    text: shown.join(', '),
    ...(comm && { comm }),
    ...(exe && { exe }),
    ...(cmdline && { cmdline }),
    ...(cwd && { cwd }),
    ...(environ && { environ }),
    ...(uid !== undefined && { uid }),
    ...(oom_score_adj && { oomScoreAdj: oom_score_adj }),
    ...(cgroup !== undefined && { cgroup }),
    ...(unit !== undefined && { systemdUnit: unit }),
    ...(container !== undefined && { container }),
  };
}
