/** Converts nohang.conf, of nohang 0.1 to 0.3. */
import { checked, type Imported, type ImportFile, refused } from './imported.ts';
import { adjustmentsOf, type NohangLine } from './nohang-patterns.ts';
import { shellWords, unixText } from './shell.ts';

/** The settings that are converted, with nohang's defaults. */
const defaults = {
  soft_threshold_min_mem: '5 %',
  soft_threshold_min_swap: '10 %',
  hard_threshold_min_mem: '2 %',
  hard_threshold_min_swap: '4 %',
  warning_threshold_min_mem: '20 %',
  warning_threshold_min_swap: '25 %',
  soft_threshold_max_psi: '40',
  hard_threshold_max_psi: '90',
  soft_threshold_max_zram: '55 %',
  hard_threshold_max_zram: '60 %',
  zram_checking_enabled: 'False',
  warning_threshold_max_psi: '10',
  psi_checking_enabled: 'False',
  psi_path: '/proc/pressure/memory',
  psi_metrics: 'full_avg10',
  psi_excess_duration: '30',
  psi_post_action_delay: '15',
  max_soft_exit_time: '10',
  ignore_positive_oom_score_adj: 'False',
  min_badness: '1',
  low_memory_warnings_enabled: 'False',
  warning_exe: '',
  min_post_warning_delay: '60',
} as const;
type Name = keyof typeof defaults;

/** Names that earlier versions of nohang had. */
const formerly: Readonly<Record<string, Name>> = {
  mem_min_sigterm: 'soft_threshold_min_mem',
  mem_min_sigkill: 'hard_threshold_min_mem',
  mem_min_warnings: 'warning_threshold_min_mem',
  swap_min_sigterm: 'soft_threshold_min_swap',
  swap_min_sigkill: 'hard_threshold_min_swap',
  swap_min_warnings: 'warning_threshold_min_swap',
  psi_avg10_some_threshold: 'soft_threshold_max_psi',
  psi_target: 'psi_path',
  gui_low_memory_warnings: 'low_memory_warnings_enabled',
  max_post_sigterm_victim_lifetime: 'max_soft_exit_time',
};

/** Settings about nohang itself, with its defaults: at these, they say nothing about what it would kill. */
const ownAffairs: Readonly<Record<string, string>> = {
  ...{ fill_rate_mem: '6000', fill_rate_swap: '2000', fill_rate_zram: '4000', max_sleep: '3', min_sleep: '0.1' },
  ...{ env_cache_time: '300', exe_timeout: '20', victim_cache_time: '10', post_soft_action_delay: '3' },
  ...{
    post_zombie_delay: '0.1',
    max_victim_ancestry_depth: '3',
    min_mem_report_interval: '60',
    extra_table_info: 'None',
  },
  ...{ print_config_at_startup: 'False', print_mem_check_results: 'False', print_proc_table: 'False' },
  ...{ print_victim_status: 'True', print_victim_cmdline: 'False', print_statistics: 'True', separate_log: 'False' },
  ...{ debug_psi: 'False', debug_gui_notifications: 'False', debug_sleep: 'False', debug_threading: 'False' },
  ...{ hide_corrective_action_type: 'False', post_action_gui_notifications: 'False' },
  ...{
    post_kill_exe: '',
    warning_threshold_max_zram: '45 %',
  },
};

/** What stands in for settings that are not converted. */
const elsewhere: Readonly<Record<string, (value: string) => string>> = {
  post_kill_exe: (value) =>
    `to run it after a kill, add [[alert]] sink = "exec", target = "${shellWords(value)[0] ?? value}"`,
  post_action_gui_notifications: () => 'to notify the desktop, add [[alert]] sink = "desktop"',
};

/** @throws OomscopeError CONFIG */
export function fromNohang([file]: readonly ImportFile[]): Imported {
  const lines: NohangLine[] = unixText(file?.text ?? '')
    .split('\n')
    .map((text, i) => ({ line: i + 1, text: text.trimEnd() }))
    .filter(({ text }) => text !== '' && !/^[#\s$]/.test(text)); // as nohang leaves lines out
  const notes: string[] = [];
  const given = new Map<string, NohangLine & { value: string }>();
  for (const { line, text } of lines.filter((each) => !each.text.startsWith('@'))) {
    const [, name, value] = /^([^=]+?)\s*=\s*(.*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) notes.push(`line ${line}: ${text}: not a setting`);
    else given.set(Object.hasOwn(formerly, name) ? (formerly[name] as string) : name, { line, text, value });
  }
  if (lines.length > 0 && ![...given.keys()].some(isKnown) && !lines.some(({ text }) => text.startsWith('@'))) {
    throw refused('nohang', 'settings such as soft_threshold_min_mem, got none of them');
  }
  notes.push(...unconverted(given));
  const value = (name: Name) => given.get(name)?.value ?? defaults[name];
  const adjustments = adjustmentsOf(
    lines.filter(({ text }) => text.startsWith('@')),
    notes,
  );
  const selection = {
    ...adjustments,
    ignore_positive_adj: value('ignore_positive_oom_score_adj') === 'True',
    min_points: Math.min(2000, Math.max(0, Math.trunc(Number(value('min_badness')) || 0))),
    min_size: '0',
  };
  const rules = [
    memoryRule(value, selection),
    ...(value('zram_checking_enabled') === 'True' ? [zramRule(value, selection)] : []),
    ...(value('psi_checking_enabled') === 'True' ? pressureRule(value, selection, notes) : []),
    ...(value('low_memory_warnings_enabled') === 'True' ? warningRule(value, notes) : []),
  ];
  return checked('nohang', { rule: rules }, notes);
}

const isKnown = (name: string) => Object.hasOwn(defaults, name) || Object.hasOwn(ownAffairs, name);

function unconverted(given: ReadonlyMap<string, NohangLine & { value: string }>): string[] {
  const notes: string[] = [];
  const atDefault: string[] = [];
  for (const [name, { line, text, value }] of given) {
    if (Object.hasOwn(defaults, name)) continue;
    const standard = Object.hasOwn(ownAffairs, name) ? ownAffairs[name] : undefined;
    if (standard === undefined) notes.push(`line ${line}: ${text}: there is no such setting of nohang`);
    else if (standard === value) atDefault.push(name);
    else notes.push(`line ${line}: ${text}${elsewhere[name] ? `: ${elsewhere[name](value)}` : ''}`);
  }
  if (atDefault.length > 0) notes.push(`settings of nohang itself, all at their defaults: ${atDefault.join(', ')}`);
  return notes;
}

type Value = (name: Name) => string;

/** A threshold of nohang: percent, or MiB. */
const level = (value: string) => (/^[\d.]+\s*%$/.test(value) ? value : `${value.replace(/\s*M$/, '')}M`);
const seconds = (value: string) => `${value}s`;

function memoryRule(value: Value, selection: object): object {
  const below = (kind: 'soft' | 'hard') => [
    `available <= ${level(value(`${kind}_threshold_min_mem`))}`,
    `swap_free <= ${level(value(`${kind}_threshold_min_swap`))}`,
  ];
  return {
    name: 'memory and swap',
    when: below('soft'),
    rank: 'oom_score',
    steps: [
      { do: 'term', wait: seconds(value('max_soft_exit_time')) },
      { do: 'kill', at_once: below('hard') },
    ],
    ...selection,
  };
}

function zramRule(value: Value, selection: object): object {
  const above = (kind: 'soft' | 'hard') => [
    `zram >= ${level(value(`${kind}_threshold_max_zram`))}`,
    `available <= ${level(value(`${kind}_threshold_min_mem`))}`,
  ];
  return {
    name: 'zram',
    when: above('soft'),
    rank: 'oom_score',
    steps: [
      { do: 'term', wait: seconds(value('max_soft_exit_time')) },
      { do: 'kill', at_once: above('hard') },
    ],
    ...selection,
  };
}

function pressureRule(value: Value, selection: object, notes: string[]): object[] {
  const path = value('psi_path');
  const cgroup = /^\/sys\/fs\/cgroup(?:\/unified)?(\/.+)?\/memory\.pressure$/.exec(path);
  if (path !== defaults.psi_path && !cgroup) {
    notes.push(`psi_path = ${path}: not the pressure of the system or of a cgroup; there is no rule for pressure`);
    return [];
  }
  const on = cgroup?.[1];
  if (on !== undefined)
    notes.push(`psi_path = ${path}: the rule chooses its victim in that cgroup, nohang in the system`);
  const system = on === undefined ? '' : 'system.';
  const metric = value('psi_metrics').replace('_', '.');
  const above = (kind: 'soft' | 'hard') => `pressure.${metric} >= ${value(`${kind}_threshold_max_psi`)} %`;
  const low = `${system}available <= ${level(value('soft_threshold_min_mem'))}`;
  return [
    {
      name: 'pressure',
      ...(on !== undefined && { on }),
      when: [`${above('soft')} for ${seconds(value('psi_excess_duration'))}`, low],
      rank: 'oom_score',
      steps: [
        { do: 'term', wait: seconds(value('max_soft_exit_time')) },
        { do: 'kill', at_once: [above('hard')] },
      ],
      cool_down: seconds(value('psi_post_action_delay')),
      ...selection,
    },
  ];
}

/** A rule that only warns: an event for alerts, and the program of warning_exe. */
function warningRule(value: Value, notes: string[]): object[] {
  const command = shellWords(value('warning_exe'));
  if (command.length === 0)
    notes.push('low_memory_warnings_enabled: to show warnings on the desktop, add [[alert]] sink = "desktop"');
  if (value('psi_checking_enabled') === 'True')
    notes.push('warning_threshold_max_psi: the warning is about memory and swap only');
  return [
    {
      name: 'low memory warning',
      when: [
        `available <= ${level(value('warning_threshold_min_mem'))}`,
        `swap_free <= ${level(value('warning_threshold_min_swap'))}`,
      ],
      rank: 'oom_score',
      steps: [{ do: 'notify' }, ...(command.length > 0 ? [{ do: 'exec', command }] : [])],
      cool_down: seconds(value('min_post_warning_delay')),
    },
  ];
}
