/**
 * Reads the command line of earlyoom 1.8.2, in its order and with its lines, defaults and exit codes; -P comes from
 * 1.9. Options are read one after another: what earlyoom writes about an option comes before the fault of a later one.
 */
import { fixed, strtod } from '../text/c-number.ts';
import { getopt, type Known } from './getopt.ts';
import { help } from './help.ts';
import { EarlyoomExit, type EarlyoomLog } from './log.ts';
import type { Memory } from './memory.ts';
import { type NamePattern, namePattern } from './name-pattern.ts';

/** Percent of memory, or of swap, that is still free when SIGTERM is sent, and when SIGKILL is sent. */
export type Thresholds = readonly [term: number, kill: number];

/** What a command line asks for. */
export interface Earlyoom {
  memory: Thresholds;
  swap: Thresholds;
  /** Interval of status lines (ms); 0: none. */
  reportMs: number;
  /** Program to run before a kill, and after it. */
  before: string | undefined;
  after: string | undefined;
  /** -n: notify the desktop. */
  desktop: boolean;
  /** -p: run at nice -20 with oom_score_adj -100. */
  priority: boolean;
  /** -g: kill the whole process group. */
  group: boolean;
  ignoreRootUser: boolean;
  sortByRss: boolean;
  dryRun: boolean;
  prefer: NamePattern | undefined;
  avoid: NamePattern | undefined;
  ignore: NamePattern | undefined;
}

const EXIT_REGEX = 6;
const EXIT_OPTION = 13;
const EXIT_INTERVAL = 14;
const EXIT_MEMORY = 15;
const EXIT_SWAP = 16;

const known: Known = {
  short: 'm:s:M:S:kingN:P:dvr:ph',
  long: {
    prefer: true,
    avoid: true,
    ignore: true,
    dryrun: false,
    'ignore-root-user': false,
    'sort-by-rss': false,
    syslog: false,
    help: false,
    debug: false,
  },
};

/** Memory and swap of the machine: sizes are converted to percent of them. */
type Totals = Pick<Memory, 'totalKib' | 'swapTotalKib'>;
type Pairs = Partial<Record<'m' | 'M' | 's' | 'S', Thresholds>>;
type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * @param program the name of the program in messages
 * @throws EarlyoomExit after a fatal error, and after -v and -h; its lines are in `log`
 */
export function readEarlyoom(
  argv: readonly string[],
  memory: Totals,
  log: EarlyoomLog,
  program = 'earlyoom',
): Earlyoom {
  const asked: Writable<Earlyoom> = {
    ...{ memory: [10, 5], swap: [10, 5], reportMs: 1000, before: undefined, after: undefined },
    ...{ desktop: false, priority: false, group: false, ignoreRootUser: false, sortByRss: false, dryRun: false },
    ...{ prefer: undefined, avoid: undefined, ignore: undefined },
  };
  const pairs: Pairs = {};
  const patterns: Partial<Record<'prefer' | 'avoid' | 'ignore', string>> = {};
  for (const word of getopt(argv, known, program)) {
    if (word.kind === 'fault') {
      log.plain(`${word.message}\nTry 'earlyoom --help' for more information.\n`);
      throw new EarlyoomExit(EXIT_OPTION, word.message);
    }
    if (word.kind === 'operand') return log.fatal(EXIT_OPTION, `extra argument not understood: '${word.text}'\n`);
    const { name, value } = word;
    if (name === 'prefer' || name === 'avoid' || name === 'ignore') patterns[name] = value;
    else if (name === 'm' || name === 'M' || name === 's' || name === 'S') readPair(name, value, pairs, memory, log);
    else takeOption(name, value, asked, log, program);
  }
  asked.memory = lower(pairs.m, pairs.M && percentages(pairs.M, memory.totalKib));
  asked.swap = lower(pairs.s, pairs.S && percentages(pairs.S, memory.swapTotalKib));
  for (const [name, about] of [
    ['prefer', 'Preferring to kill process names that match regex'],
    ['avoid', 'Will avoid killing process names that match regex'],
    ['ignore', 'Will ignore process names that match regex'],
  ] as const) {
    const source = patterns[name];
    if (source === undefined) continue;
    asked[name] = compile(source, log);
    log.plain(`${about} '${source}'\n`);
  }
  return asked;
}

function takeOption(name: string, value: string, asked: Writable<Earlyoom>, log: EarlyoomLog, program: string): void {
  switch (name) {
    case 'k':
    case 'i':
      log.plain(`Option -${name} is ignored since earlyoom v${name === 'k' ? '1.2' : '1.7'}\n`);
      return;
    case 'n':
      asked.desktop = true;
      log.plain('Notifying through D-Bus\n');
      return;
    case 'g':
      asked.group = true;
      return;
    case 'N':
      asked.after = value;
      return;
    case 'P':
      asked.before = value;
      return;
    case 'd':
    case 'debug':
      log.debugging = true;
      return;
    case 'v': // the version is already written
      throw new EarlyoomExit(0, 'version');
    case 'r':
      asked.reportMs = interval(value, log);
      return;
    case 'p':
      asked.priority = true;
      return;
    case 'ignore-root-user':
      asked.ignoreRootUser = true;
      log.plain('Processes owned by root will not be killed\n');
      return;
    case 'sort-by-rss':
      asked.sortByRss = true;
      log.plain('Find process with the largest rss\n');
      return;
    case 'dryrun':
      asked.dryRun = true;
      log.warn('dryrun mode enabled, will not kill anything\n');
      return;
    case 'syslog':
      log.useSyslog();
      return;
    default: // -h, --help
      log.plain(help(program));
      throw new EarlyoomExit(0, 'help');
  }
}

/** A C `int`: what is too large for it becomes the smallest one, as the conversion of x86 does. */
const INT_MIN = -(2 ** 31);

/** The milliseconds between status lines. A text that is not a number counts as 0. */
function interval(text: string, log: EarlyoomLog): number {
  const seconds = Math.fround(strtod(text).value);
  if (seconds < 0) return log.fatal(EXIT_INTERVAL, `-r: invalid interval '${text}'\n`);
  const ms = Math.trunc(Math.fround(seconds * 1000));
  return Math.abs(ms) < 2 ** 31 ? ms : INT_MIN;
}

function readPair(name: 'm' | 'M' | 's' | 'S', value: string, pairs: Pairs, memory: Totals, log: EarlyoomLog): void {
  const { totalKib, swapTotalKib } = memory;
  const limits = {
    m: 99,
    s: 100, // "-s 100" ignores swap
    M: Math.floor((totalKib * 100) / 99),
    S: Math.floor((swapTotalKib * 100) / 99),
  };
  const pair = parsePair(value, limits[name], log);
  // These messages of earlyoom end without a line break.
  if (typeof pair === 'string') log.fatal(name.toLowerCase() === 'm' ? EXIT_MEMORY : EXIT_SWAP, `-${name}: ${pair}`);
  else if (name === 'S' && swapTotalKib === 0) log.warn('warning: -S: total swap is zero, using default percentages\n');
  else pairs[name] = pair;
}

/** earlyoom copies the argument into a buffer of this many bytes. */
const MOST_BYTES = 255;

/** @returns the two values, or why they are refused */
function parsePair(text: string, limit: number, log: EarlyoomLog): Thresholds | string {
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_BYTES) return `argument too long (${bytes} bytes)`;
  const comma = text.indexOf(',');
  const first = parsePart(comma < 0 ? text : text.slice(0, comma), limit);
  if (typeof first === 'string') return first;
  const second = comma < 0 ? first / 2 : parsePart(text.slice(comma + 1), limit);
  if (typeof second === 'string') return second;
  let term = first;
  if (term < second) {
    const [shown, instead] = [fixed(term, 2), fixed(second, 2)];
    log.warn(
      `warning: SIGTERM value ${shown} is below SIGKILL value ${instead}, setting SIGTERM = SIGKILL = ${instead}\n`,
    );
    term = second;
  }
  return term === 0 && second === 0 ? 'both SIGTERM and SIGKILL values are zero' : [term, second];
}

function parsePart(text: string, limit: number): number | string {
  const { value, rest, outOfRange } = strtod(text);
  if (rest !== '') return `trailing garbage '${rest}'`;
  if (outOfRange) return 'conversion error: Numerical result out of range';
  if (value > limit) return `value ${fixed(value, 6)} exceeds limit ${limit}`;
  if (value < 0) return `value ${fixed(value, 6)} below zero`;
  return value;
}

const percentages = ([term, kill]: Thresholds, totalKib: number): Thresholds => [
  (100 * term) / totalKib,
  (100 * kill) / totalKib,
];

/** Where thresholds are given in percent and as sizes, the lower ones count. */
function lower(a: Thresholds | undefined, b: Thresholds | undefined): Thresholds {
  const min = (x: number, y: number) => (x < y ? x : y);
  if (a && b) return [min(a[0], b[0]), min(a[1], b[1])];
  return a ?? b ?? [10, 5];
}

function compile(source: string, log: EarlyoomLog): NamePattern {
  try {
    return namePattern(source);
  } catch {
    return log.fatal(EXIT_REGEX, `could not compile regexp '${source}'\n`);
  }
}
