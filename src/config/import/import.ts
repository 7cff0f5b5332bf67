/**
 * Converts configurations of other early killers. Settings without an equivalent here are listed in the notes.
 */

import type { GuardConfig } from '../../guard/guard-config.ts';
import { OomscopeError } from '../../model/error.ts';
import { readGuard } from '../guard.ts';
import { type MachineKib, parseEarlyoom } from './earlyoom.ts';

export const importable = ['earlyoom', 'systemd-oomd', 'nohang'] as const;
export type Importable = (typeof importable)[number];

export interface Imported {
  guard: GuardConfig;
  /** Settings that were not converted, or that mean something slightly different here. */
  notes: string[];
}

/**
 * @param text content of the file: /etc/default/earlyoom, oomd.conf, nohang.conf
 * @throws OomscopeError CONFIG, USAGE
 */
export function importConfig(from: Importable, text: string, machine: MachineKib): Imported {
  return { earlyoom: fromEarlyoom, 'systemd-oomd': fromSystemdOomd, nohang: fromNohang }[from](text, machine);
}

function fromEarlyoom(text: string, machine: MachineKib): Imported {
  const line = /^\s*EARLYOOM_ARGS=(.*)$/m.exec(text)?.[1];
  if (line === undefined) throw wrong('earlyoom', 'a line EARLYOOM_ARGS=… as in /etc/default/earlyoom');
  // The value is quoted twice in that file: by the shell's rules outside, and by systemd's inside.
  const outer = shellWords(line);
  const words = outer.length === 1 && /\s/.test(outer[0] ?? '') ? shellWords(outer[0] as string) : outer;
  const { guard, notes, before, after, desktop } = parseEarlyoom(words, machine);
  const [rule] = guard.policy.rules;
  for (const [hook, where] of [
    [before, 'before'],
    [after, 'after'],
  ] as const) {
    if (hook === undefined) continue;
    if (where === 'before') rule?.steps.unshift({ do: 'exec', if: [], atOnce: [], waitMs: 200, command: [hook] });
    else notes.push(`-N ${hook}: to run it after a kill, add [[alert]] sink = "exec", target = "${hook}"`);
  }
  if (desktop) notes.push('-n: to notify the desktop, add [[alert]] sink = "desktop"');
  return { guard: { ...guard, mode: 'dry_run', fastestMs: 10 }, notes };
}

function fromSystemdOomd(text: string): Imported {
  const given = settings(text, /^\s*(\w+)\s*=\s*(.*?)\s*$/);
  const percent = (name: string, otherwise: number) => {
    const [, number, unit = '%'] = /^([\d.]+)([%‰‱]?)$/.exec(given.get(name) ?? '') ?? [];
    return number === undefined ? otherwise : Number(number) / ({ '‰': 10, '‱': 100 }[unit] ?? 1);
  };
  const used = percent('SwapUsedLimit', 90);
  const pressure = percent('DefaultMemoryPressureLimit', 60);
  const lasts = given.get('DefaultMemoryPressureDurationSec') ?? '30s';
  const free = round(100 - used);
  const rules = [
    {
      name: 'memory and swap used above the limit',
      when: [`usage > ${used} %`, `swap_free < ${free} %`],
      rank: 'swap',
      kill: 'cgroup',
      steps: [{ do: 'kill' }],
      cool_down: '15s',
    },
    {
      name: 'pressure above the limit',
      on: '/*.slice/*',
      when: [`pressure.full.avg10 > ${pressure} % for ${/^\d+$/.test(lasts) ? `${lasts}s` : lasts}`],
      kill: 'cgroup',
      steps: [{ do: 'kill' }],
      cool_down: '15s',
    },
  ];
  return checked('systemd-oomd', { rule: rules }, [
    'ManagedOOMSwap=, ManagedOOMMemoryPressure= of units: set `on` of a rule to the cgroups it is for; here: all below slices',
    'candidates are ranked by memory, not by pages scanned for reclaim (pgscan)',
    ...(used >= 100 ? ['SwapUsedLimit=100%: never fires'] : []),
  ]);
}

/** The kinds of patterns in nohang.conf, and the field of a match in oomscope with the same meaning. */
const nohangFields: Record<string, 'comm' | 'cmdline' | 'exe'> = {
  NAME: 'comm',
  CMDLINE: 'cmdline',
  REALPATH: 'exe',
};

function fromNohang(text: string): Imported {
  const given = settings(text, /^([a-z_]+)\s*=\s*(.*?)\s*$/);
  const notes: string[] = [];
  const level = (name: string, otherwise: string) => {
    const value = given.get(name) ?? otherwise;
    return /^[\d.]+\s*%$/.test(value) ? value : `${value.replace(/\s*M$/, '')}M`;
  };
  const low = [
    `available <= ${level('soft_threshold_min_mem', '5 %')}`,
    `swap_free <= ${level('soft_threshold_min_swap', '10 %')}`,
  ];
  const lower = [
    `available <= ${level('hard_threshold_min_mem', '2 %')}`,
    `swap_free <= ${level('hard_threshold_min_swap', '4 %')}`,
  ];
  const seconds = (name: string, otherwise: string) => `${given.get(name) ?? otherwise}s`;
  const steps = (hard: string[]) => [
    { do: 'term', wait: seconds('max_soft_exit_time', '10') },
    { do: 'kill', at_once: hard },
  ];
  const selection = {
    ...preferencesOf(text, notes),
    ignore_positive_adj: given.get('ignore_positive_oom_score_adj') === 'True',
  };
  const rules: object[] = [
    { name: 'memory and swap', when: low, rank: 'oom_score', steps: steps(lower), ...selection },
  ];
  if (given.get('psi_checking_enabled') === 'True') {
    const metric = (given.get('psi_metrics') ?? 'full_avg10').replace('_', '.');
    const above = (name: string, otherwise: string) => `pressure.${metric} >= ${given.get(name) ?? otherwise} %`;
    rules.push({
      name: 'pressure',
      when: [`${above('soft_threshold_max_psi', '40')} for ${seconds('psi_excess_duration', '30')}`, low[0]],
      rank: 'oom_score',
      steps: steps([above('hard_threshold_max_psi', '90')]),
      cool_down: seconds('psi_post_action_delay', '15'),
      ...selection,
    });
  }
  if (given.get('zram_checking_enabled') === 'True')
    notes.push('zram_checking_enabled: there is no metric for zram; swap_free includes it');
  for (const line of text.matchAll(/^@SOFT_ACTION_RE_\w+.*$/gm))
    notes.push(`${line[0]}: to run a program, add a step with do = "exec"`);
  return checked('nohang', { rule: rules }, notes);
}

function preferencesOf(text: string, notes: string[]) {
  const prefer: object[] = [];
  const avoid: object[] = [];
  for (const [line, kind = '', points = '', regex = ''] of text.matchAll(
    /^@BADNESS_ADJ_RE_(\w+)\s+(-?\d+)\s*\/\/\/\s*(.*?)\s*$/gm,
  )) {
    const field = Object.hasOwn(nohangFields, kind) ? nohangFields[kind] : undefined;
    const uid = kind === 'UID' ? /^\^?(\d+)\$?$/.exec(regex)?.[1] : undefined;
    if (!field && uid === undefined) {
      notes.push(
        `${line}: ${kind === 'UID' ? 'only a single uid can be converted' : 'there is no such field here'}; use prefer or avoid`,
      );
      continue;
    }
    const size = Math.min(2000, Math.abs(Number(points)));
    const match = { ...(field ? { [field]: regex } : { uid: Number(uid) }), points: size };
    if (size > 0) (Number(points) > 0 ? prefer : avoid).push(match);
  }
  return { prefer, avoid };
}

function checked(from: Importable, section: Record<string, unknown>, notes: string[]): Imported {
  const { guard, faults } = readGuard({ mode: 'dry_run', default_protection: false, ...section });
  if (guard) return { guard, notes };
  throw new OomscopeError('CONFIG', `${from}: ${faults.map(({ path, message }) => `${path}: ${message}`).join('\n')}`);
}

function settings(text: string, line: RegExp): Map<string, string> {
  const found = text.split('\n').flatMap((each) => {
    const [, name, value] = /^\s*[#;]/.test(each) ? [] : (line.exec(each) ?? []);
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  return new Map(found);
}

/** Splits a line into words by the quotes and backslashes of a shell, without any expansion. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  const piece = /\s*((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)/gy;
  for (const [, raw = ''] of line.matchAll(piece)) {
    words.push(
      raw.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, (_, double?: string, single?: string, escaped?: string) =>
        double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : (single ?? escaped ?? ''),
      ),
    );
  }
  return words;
}

const round = (value: number) => Math.round(value * 100) / 100;
const wrong = (from: Importable, expected: string) => new OomscopeError('CONFIG', `${from}: expected ${expected}.`);
