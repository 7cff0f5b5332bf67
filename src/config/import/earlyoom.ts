/** Makes a rule of the guard of what earlyoom's options ask for. */

import { EarlyoomExit, type EarlyoomLog } from '../../earlyoom/log.ts';
import type { NamePattern } from '../../earlyoom/name-pattern.ts';
import { type Earlyoom, readEarlyoom, type Thresholds } from '../../earlyoom/options.ts';
import type { GuardConfig } from '../../guard/guard-config.ts';
import { Pattern } from '../../guard/rules/pattern.ts';
import type { Match, Preference, Rule } from '../../guard/rules/rule.ts';
import { parseDetector } from '../detector.ts';
import type { Imported, ImportFile, MachineKib } from './imported.ts';
import { refused } from './imported.ts';
import { shellAssignments, shellWords } from './shell.ts';

/** The weight of --prefer and --avoid in points of oom_score; with --sort-by-rss it is an amount of memory (KiB). */
const PREFERENCE_POINTS = 300;
const PREFERENCE_KIB = 3 * 2 ** 20;
/** The largest weight that a configuration may have. */
const MOST_POINTS = 2000;

const VARIABLE = 'EARLYOOM_ARGS';

/** Converts /etc/default/earlyoom. @throws OomscopeError CONFIG */
export function fromEarlyoom([file]: readonly ImportFile[], machine: MachineKib): Imported {
  const { assignments, others } = shellAssignments(file?.text ?? '');
  const given = assignments.filter(({ name }) => name === VARIABLE);
  if (given.length === 0 && (others.length > 0 || assignments.length > 0)) {
    throw refused('earlyoom', `a line ${VARIABLE}=… as in /etc/default/earlyoom`);
  }
  const notes = [
    ...others.map(({ line, text: unknown }) => `line ${line}: ${unknown}: not an assignment`),
    ...assignments.filter(({ name }) => name !== VARIABLE).map(({ line, name }) => `line ${line}: ${name}=`),
    ...given.slice(0, -1).map(({ line }) => `line ${line}: ${VARIABLE}= is set again below, and the last one counts`),
  ];
  // The value is quoted twice in that file: by the shell's rules outside, and by systemd's inside.
  const argv = shellWords(given.at(-1)?.value ?? '');
  const { asked, said } = read(argv, machine);
  return { guard: guardOf(asked, machine, notes), notes: [...notes, ...said] };
}

/** The options, and what earlyoom says about them: options without effect, values that it replaces. */
function read(argv: readonly string[], machine: MachineKib): { asked: Earlyoom; said: string[] } {
  const lines: string[] = [];
  const said: string[] = [];
  const take = (text: string) => void lines.push(text.trim());
  const log: EarlyoomLog = {
    debugging: false,
    plain: (text) => {
      take(text);
      if (text.startsWith('Option ')) said.push(text.trim());
    },
    warn: (text) => {
      take(text);
      if (text.startsWith('warning: ')) said.push(text.trim());
    },
    ...{ info: take, debug: take, useSyslog: () => said.push('--syslog: `oomscope run` writes to stdout and stderr') },
    fatal: (exitCode, text) => {
      take(text);
      throw new EarlyoomExit(exitCode, text);
    },
  };
  try {
    const memory = { totalKib: machine.memory, swapTotalKib: machine.swap };
    return { asked: readEarlyoom(argv, memory, log), said };
  } catch (error) {
    if (!(error instanceof EarlyoomExit)) throw error;
    throw refused('earlyoom', `options that earlyoom takes, got: ${lines.at(-1)?.split('\n')[0] ?? error.message}`);
  }
}

function guardOf(asked: Earlyoom, machine: MachineKib, notes: string[]): GuardConfig {
  if (asked.after !== undefined)
    notes.push(`-N ${asked.after}: to run it after a kill, add [[alert]] sink = "exec", target = "${asked.after}"`);
  if (asked.desktop) notes.push('-n: to notify the desktop, add [[alert]] sink = "desktop"');
  if (asked.reportMs !== 0 && asked.reportMs !== 1000)
    notes.push(`-r ${asked.reportMs / 1000}: status lines: run \`oomscope pressure\` or \`oomscope record\` beside it`);
  return {
    mode: 'dry_run',
    policy: { rules: [ruleOf(asked, machine, notes)], killsPerMinute: 1000, protect: [] },
    raiseScore: false,
    arm: false,
    lockMemory: true,
    realtimePriority: asked.priority ? 1 : 0,
    stateFile: undefined,
    fastestMs: 10,
  };
}

function ruleOf(asked: Earlyoom, machine: MachineKib, notes: string[]): Rule {
  const { memory, swap, sortByRss, before } = asked;
  const below = ([mem, free]: Thresholds) => [`available <= ${mem} %`, `swap_free <= ${free} %`].map(parseDetector);
  const worse = below([memory[1], swap[1]]);
  return {
    name: 'earlyoom',
    on: [{ kind: 'system' }],
    when: below([memory[0], swap[0]]),
    rank: sortByRss ? 'rss' : 'oom_score',
    unit: asked.group ? 'process_group' : 'process',
    minBytes: 0,
    minPoints: sortByRss ? Number.NEGATIVE_INFINITY : 0,
    minGrowthShare: 0,
    preferences: preferencesOf(asked, machine, notes),
    never: [
      ...(asked.ignore ? [commOf(asked.ignore)] : []),
      ...(asked.ignoreRootUser ? [{ text: 'uid 0', uid: 0 }] : []),
    ],
    ignorePositiveAdj: false,
    honourOomGroup: false,
    // SIGKILL depends on how little memory is left, never on time. The rule starts again 10 s after either signal.
    steps: [
      ...(before === undefined ? [] : [{ do: 'exec' as const, if: [], atOnce: [], waitMs: 200, command: [before] }]),
      { do: 'term', if: [], atOnce: [], waitMs: 10_000 },
      { do: 'kill', if: worse, atOnce: worse, waitMs: 10_000 },
    ],
    coolDownMs: 0,
    undoAfterMs: 0,
  };
}

function preferencesOf({ prefer, avoid, sortByRss }: Earlyoom, machine: MachineKib, notes: string[]): Preference[] {
  const exact = sortByRss ? (1000 * PREFERENCE_KIB) / (machine.memory + machine.swap) : PREFERENCE_POINTS;
  // A configuration has whole points, of which 1000 are all memory and swap of this machine.
  const points = Math.min(MOST_POINTS, Math.max(1, Math.round(exact)));
  const found: Preference[] = [];
  if (prefer) found.push({ match: commOf(prefer), points });
  if (avoid) found.push({ match: commOf(avoid), points: -points });
  if (sortByRss && found.length > 0)
    notes.push(`--sort-by-rss: the 3 GiB of --prefer and --avoid are ${points} points on this machine, not on another`);
  return found;
}

function commOf({ source }: NamePattern): Match {
  try {
    return { text: `comm ${source}`, comm: new Pattern(source) };
  } catch (error) {
    throw refused('earlyoom', `a pattern that the guard can read, too, got "${source}": ${(error as Error).message}`);
  }
}
