/**
 * Reads the command line of earlyoom (1.7 to 1.9), with its options, defaults and exit codes, and turns it into a rule.
 * Percentages are of MemAvailable + AnonPages, as in earlyoom 1.8 and later.
 */

import type { GuardConfig } from '../../guard/guard-config.ts';
import { Pattern, PatternError } from '../../guard/rules/pattern.ts';
import type { Match, Preference, Rule } from '../../guard/rules/rule.ts';
import { OomscopeError } from '../../model/error.ts';
import { parseDetector } from '../detector.ts';

/** A command line that earlyoom refuses, with the exit code that it would use. */
export class EarlyoomRefusal extends OomscopeError {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super('USAGE', message);
    this.exitCode = exitCode;
  }
}

/** SIGTERM is sent when this percentage of memory (or swap) is left, and SIGKILL at the second percentage. */
type Thresholds = [term: number, kill: number];

export interface Earlyoom {
  /** `version` and `help`: print the version or the help, and exit. */
  asked: 'run' | 'version' | 'help';
  guard: GuardConfig;
  memory: Thresholds;
  swap: Thresholds;
  /** Seconds between reports; 0: none. */
  reportSeconds: number;
  /** Program to run before a kill, and after it. */
  before: string | undefined;
  after: string | undefined;
  /** -n: notify the desktop. */
  desktop: boolean;
  /** -p: run at nice -20 with oom_score_adj -100. */
  priority: boolean;
  /** Sentences about options that have no effect, or a different effect, in oomscope. */
  notes: string[];
}

/** Memory and swap of the machine, in KiB. */
export interface MachineKib {
  memory: number;
  swap: number;
}

const takesArgument = ['m', 's', 'M', 'S', 'N', 'P', 'r', 'prefer', 'avoid', 'ignore'];
const shortOptions = 'msMSngNPdvrphki';
const longOptions = [
  ...['prefer', 'avoid', 'ignore', 'ignore-root-user', 'sort-by-rss', 'dryrun', 'syslog', 'kernel-oom', 'help'],
];
/** The weight of --prefer and --avoid in points of oom_score; with --sort-by-rss it is an amount of memory. */
const PREFERENCE_POINTS = 300;
const PREFERENCE_KIB = 3 * 2 ** 20;
const EXIT_OPTION = 13;
const EXIT_INTERVAL = 14;
const EXIT_MEMORY = 15;
const EXIT_SWAP = 16;
const EXIT_REGEX = 6;

/** @throws EarlyoomRefusal */
export function parseEarlyoom(argv: readonly string[], machine: MachineKib): Earlyoom {
  const given = new Map<string, string>();
  const notes: string[] = [];
  for (const [name, value] of words(argv)) {
    given.set(name, value);
    if (name === 'k' || name === 'i')
      notes.push(`-${name} has had no effect since earlyoom ${name === 'k' ? '1.2' : '1.7'}`);
  }
  const has = (name: string) => given.has(name);
  if (has('kernel-oom'))
    throw new EarlyoomRefusal(EXIT_OPTION, '--kernel-oom: the kernel would choose the victim then; remove the option.');
  if (has('syslog')) notes.push('--syslog: messages go to stderr, from where systemd takes them to the journal');
  if (has('d')) notes.push('-d: every candidate and rejection is in the plan: oomscope guard --json');

  const memory = thresholds(given, notes, {
    ...{ percentOption: 'm', kibOption: 'M', totalKib: machine.memory, mostPercent: 99, exitCode: EXIT_MEMORY },
  });
  const swap = thresholds(given, notes, {
    ...{ percentOption: 's', kibOption: 'S', totalKib: machine.swap, mostPercent: 100, exitCode: EXIT_SWAP },
  });
  const report = Number.parseFloat(given.get('r') ?? '1');
  const reportSeconds = Number.isNaN(report) ? 0 : report;
  if (reportSeconds < 0)
    throw new EarlyoomRefusal(EXIT_INTERVAL, `-r: expected an interval from 0, got "${given.get('r')}".`);
  return {
    asked: has('h') || has('help') ? 'help' : has('v') ? 'version' : 'run',
    guard: {
      mode: has('dryrun') ? 'dry_run' : 'enforce',
      policy: { rules: [ruleOf(given, { memory, swap, machine })], killsPerMinute: 1000, protect: [] },
      raiseScore: false,
      arm: false,
      lockMemory: true,
      realtimePriority: has('p') ? 1 : 0,
      stateFile: undefined,
      fastestMs: 100,
    },
    ...{ memory, swap, reportSeconds },
    before: given.get('P'),
    after: given.get('N'),
    desktop: has('n'),
    priority: has('p'),
    notes,
  };
}

interface Levels {
  memory: Thresholds;
  swap: Thresholds;
  machine: MachineKib;
}

function ruleOf(given: Map<string, string>, { memory, swap, machine }: Levels): Rule {
  const byRss = given.has('sort-by-rss');
  const points = byRss ? (1000 * PREFERENCE_KIB) / (machine.memory + machine.swap) : PREFERENCE_POINTS;
  const preferences: Preference[] = [];
  for (const [name, sign] of [
    ['prefer', 1],
    ['avoid', -1],
  ] as const) {
    const source = given.get(name);
    if (source !== undefined) preferences.push({ match: commOf(source), points: sign * points });
  }
  const ignored = given.get('ignore');
  const never = ignored === undefined ? [] : [commOf(ignored)];
  if (given.has('ignore-root-user')) never.push({ text: 'uid 0', uid: 0 });
  const below = ([mem, free]: Thresholds) => [`available <= ${mem} %`, `swap_free <= ${free} %`].map(parseDetector);
  const worse = below([memory[1], swap[1]]);
  return {
    name: 'earlyoom',
    on: [{ kind: 'system' }],
    when: below([memory[0], swap[0]]),
    rank: byRss ? 'rss' : 'oom_score',
    unit: given.has('g') ? 'process_group' : 'process',
    minBytes: 0,
    minPoints: byRss ? Number.NEGATIVE_INFINITY : 0,
    preferences,
    never,
    ignorePositiveAdj: false,
    honourOomGroup: false,
    // SIGKILL depends on how little memory is left, never on time. The rule starts again 10 s after either signal.
    steps: [
      { do: 'term', if: [], atOnce: [], waitMs: 10_000 },
      { do: 'kill', if: worse, atOnce: worse, waitMs: 10_000 },
    ],
    coolDownMs: 0,
    undoAfterMs: 0,
  };
}

function commOf(source: string): Match {
  try {
    return { text: `comm ${source}`, comm: new Pattern(source), shortName: true };
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new EarlyoomRefusal(
      EXIT_REGEX,
      `expected a regular expression, got ${JSON.stringify(source)}: ${error.message}.`,
    );
  }
}

/** Reads the two options that set the thresholds of memory (-m, -M), or of swap (-s, -S). */
interface ThresholdOptions {
  percentOption: string;
  kibOption: string;
  totalKib: number;
  mostPercent: number;
  exitCode: number;
}

/** If both options are given, the lower threshold wins. The default threshold of SIGKILL is half of that of SIGTERM. */
function thresholds(given: Map<string, string>, notes: string[], options: ThresholdOptions): Thresholds {
  const { percentOption, kibOption, totalKib, mostPercent, exitCode } = options;
  const pair = (name: string, limit: number) => {
    const text = given.get(name);
    return text === undefined ? undefined : parsePair(text, notes, { name: `-${name}`, limit, exitCode });
  };
  const percent = pair(percentOption, mostPercent);
  const kib = pair(kibOption, Math.floor((totalKib * 100) / mostPercent));
  const sized = kib && (kib.map((each) => (totalKib > 0 ? (100 * each) / totalKib : 0)) as Thresholds);
  if (percent && sized) return [Math.min(percent[0], sized[0]), Math.min(percent[1], sized[1])];
  return percent ?? sized ?? [10, 5];
}

function parsePair(
  text: string,
  notes: string[],
  { name, limit, exitCode }: { name: string; limit: number; exitCode: number },
): Thresholds {
  const refuse = (why: string): never => {
    throw new EarlyoomRefusal(exitCode, `${name}: expected SIGTERM[,SIGKILL], got "${text}": ${why}.`);
  };
  const [, first, second] = /^\s*([+-]?\d*\.?\d+)(?:,([+-]?\d*\.?\d+))?$/.exec(text) ?? [];
  if (first === undefined) refuse('it is neither one number nor two');
  let term = Number(first);
  const kill = second === undefined ? term / 2 : Number(second);
  for (const value of [term, kill]) {
    if (value < 0) refuse(`${value} is below zero`);
    if (value > limit) refuse(`${value} is above ${limit}`);
  }
  if (term === 0 && kill === 0) refuse('both are zero');
  if (term < kill) {
    notes.push(`${name}: SIGTERM at ${term} is below SIGKILL at ${kill}, so both are sent at ${kill}`);
    term = kill;
  }
  return [term, kill];
}

/**
 * Parses as getopt_long(3) does: clusters of short options, attached or separate arguments, abbreviated long options.
 */
function* words(argv: readonly string[]): Generator<[string, string]> {
  const queue = [...argv];
  const refuse = (why: string): never => {
    throw new EarlyoomRefusal(EXIT_OPTION, `${why} Try --help.`);
  };
  const extra: string[] = [];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      extra.push(...queue.splice(0));
    } else if (word.startsWith('--')) {
      const [start = '', ...rest] = word.slice(2).split('=');
      const fits = longOptions.filter((option) => option.startsWith(start));
      const name = fits.find((option) => option === start) ?? (fits.length === 1 ? fits[0] : undefined);
      if (name === undefined) refuse(`unknown or ambiguous option "--${start}".`);
      const found = name as string;
      if (!takesArgument.includes(found)) {
        if (rest.length > 0) refuse(`"--${found}" takes no argument.`);
        yield [found, ''];
      } else {
        const value = rest.length > 0 ? rest.join('=') : queue.shift();
        yield [found, value ?? refuse(`"--${found}" takes an argument.`)];
      }
    } else if (word.length > 1 && word.startsWith('-')) {
      for (let at = 1; at < word.length; at++) {
        const letter = word[at] as string;
        if (!shortOptions.includes(letter)) refuse(`unknown option "-${letter}".`);
        if (!takesArgument.includes(letter)) {
          yield [letter, ''];
          continue;
        }
        const value = at + 1 < word.length ? word.slice(at + 1) : queue.shift();
        yield [letter, value ?? refuse(`"-${letter}" takes an argument.`)];
        break;
      }
    } else extra.push(word);
  }
  if (extra[0] !== undefined) refuse(`"${extra[0]}" is not an option.`);
}
