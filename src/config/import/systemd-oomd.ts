/**
 * Converts what systemd-oomd was told to do: oomd.conf and its drop-ins, files of units with ManagedOOM…=, and rulesets
 * (rules.d/NAME.oomrule, systemd 261).
 */
import { basename } from 'node:path';
import { writeDuration } from '../../text/units.ts';
import { checked, type Imported, type ImportFile, type MachineKib, refused } from './imported.ts';
import { type Setting, share, systemdSettings, timeSpan } from './systemd-syntax.ts';
import { cgroupsOf, type ManagedUnit, managedUnit, UNIT_SECTIONS, unitOf } from './systemd-units.ts';

/** systemd's defaults: src/oom/oomd-manager.h. */
const DEFAULTS = { usedPercent: 90, pressurePercent: 60, lastsMs: 30_000 };
/** Only cgroups with at least this share of all swap are killed for swap (percent). */
const LEAST_SWAP_PERCENT = 5;
const PAUSE = '15s';

/** What the packages of systemd-oomd set up, for an oomd.conf without any unit file. */
const packaged: readonly ManagedUnit[] = [
  { name: '-.slice', on: ['system'], pressure: false, swap: true, limit: undefined, lastsMs: undefined, rulesets: [] },
  {
    ...{ name: 'user@.service', on: cgroupsOf('', 'user@.service', undefined), pressure: true, swap: false },
    ...{ limit: 50, lastsMs: undefined, rulesets: [] },
  },
];

type Located = Setting & { file: string };

/**
 * @param running the units of the running systemd; they count instead of files of the same units
 * @throws OomscopeError CONFIG
 */
export function fromSystemdOomd(
  files: readonly ImportFile[],
  machine: MachineKib,
  running?: readonly ManagedUnit[],
): Imported {
  const notes: string[] = [];
  const said = ({ file, line, name, value }: Located, why: string) =>
    void notes.push(`${file}:${line}: ${name}=${value}: ${why}`);
  const all = files.flatMap(({ path, text }) => {
    const file = basename(path);
    const { settings, others } = systemdSettings(text);
    notes.push(...others.map(({ line, text: unknown }) => `${file}:${line}: ${unknown}: not a setting`));
    return settings.map((setting) => ({ ...setting, file, path }));
  });
  const inUnits = all.filter(({ section }) => UNIT_SECTIONS.includes(section));
  const oom = all.filter(({ section }) => section === 'OOM');
  const inRules = all.filter(({ section }) => section === 'Rule');
  if (all.length > 0 && inUnits.length + oom.length + inRules.length === 0) {
    throw refused('systemd-oomd', 'a section [OOM], [Rule], or [Slice] or [Service] of a unit, got none of them');
  }
  const units = [...Map.groupBy(inUnits, ({ path }) => unitOf(path))].flatMap(([name, settings]) => {
    if (name !== undefined)
      return [managedUnit(settings[0]?.path ?? '', name, settings, (each, why) => said(each as Located, why))];
    const [first] = settings.filter(({ name: setting }) => /^(ManagedOOM|OOMRules)/.test(setting));
    if (first) said(first, 'the name of the file does not tell the unit of this setting');
    return [];
  });
  const isAlone = inUnits.length === 0 && inRules.length === 0 && running === undefined;
  if (isAlone) {
    notes.push(
      'no unit file was given: the rules are for what the packages of systemd-oomd set up (swap: -.slice; pressure above 50 %: user@.service). Name other unit files behind this one',
    );
  }
  const defaults = defaultsOf(oom, said);
  if (running) notes.push('the rules are for the units that run now; a later unit needs another import');
  const others = units.filter(({ name }) => !running?.some((unit) => unit.name === name));
  const watched = [...(running ?? []), ...others];
  const managed = isAlone ? packaged : watched;
  const general = oom.findLast(({ name }) => name.startsWith('DefaultMemoryPressureLimit'));
  if (general && managed.every(({ pressure, limit }) => !pressure || limit !== undefined))
    said(general, `every unit with ManagedOOMMemoryPressure=kill has a limit of its own`);
  const rules = [
    ...managed.flatMap((unit) => rulesOf(unit, defaults, machine, notes)),
    ...rulesetsOf(inRules, watched, said),
  ];
  if (rules.length === 0) {
    const why = notes.map((note) => `\n${note}`).join('');
    throw refused('systemd-oomd', `settings by which systemd-oomd would kill something, got none${why && `:${why}`}`);
  }
  return checked('systemd-oomd', { rule: rules }, notes);
}

type Say = (setting: Located, why: string) => void;

function defaultsOf(settings: readonly Located[], said: Say): typeof DEFAULTS {
  const found = { ...DEFAULTS };
  const read = <T>(setting: Located, parse: (text: string) => T | undefined, expected: string) => {
    const value = setting.value === '' ? undefined : parse(setting.value);
    if (value === undefined && setting.value !== '') said(setting, `expected ${expected}; systemd-oomd ignores it`);
    return value;
  };
  for (const setting of settings) {
    switch (setting.name) {
      case 'SwapUsedLimit':
      case 'SwapUsedLimitPercent': // until systemd 247
        found.usedPercent = read(setting, share, 'a share such as "90%"') ?? DEFAULTS.usedPercent;
        break;
      case 'DefaultMemoryPressureLimit':
      case 'DefaultMemoryPressureLimitPercent':
        found.pressurePercent = read(setting, share, 'a share such as "60%"') ?? DEFAULTS.pressurePercent;
        break;
      case 'DefaultMemoryPressureDurationSec': {
        const ms = read(setting, timeSpan, 'a time such as "30s"') ?? 0;
        if (ms > 0 && ms < 1000) said(setting, 'is below 1 s; systemd-oomd takes its default, 30 s');
        found.lastsMs = ms < 1000 ? DEFAULTS.lastsMs : ms;
        break;
      }
      case 'PrekillHookTimeoutSec':
        said(
          setting,
          'sockets of io.systemd.oom.Prekill are not called; a step with do = "exec" runs a program before the kill',
        );
        break;
      default:
        said(setting, 'there is no such setting of systemd-oomd');
    }
  }
  return found;
}

function rulesOf(unit: ManagedUnit, defaults: typeof DEFAULTS, machine: MachineKib, notes: string[]): object[] {
  const rules: object[] = [];
  const limit = unit.limit ?? defaults.pressurePercent;
  const lastsMs = unit.lastsMs || defaults.lastsMs;
  if (unit.pressure && limit < 100 && Number.isFinite(lastsMs)) {
    notes.push(`${unit.name}: candidates are ranked by memory, not by the pages scanned to reclaim it (pgscan)`);
    rules.push({
      ...{ name: `pressure in ${unit.name}`, on: unit.on },
      when: [`pressure.full.avg10 > ${limit} %${lasting(lastsMs)}`],
      ...{ kill: 'cgroup', steps: [{ do: 'kill' }], cool_down: PAUSE },
    });
  } else if (unit.pressure) notes.push(`${unit.name}: a pressure limit of ${limit}% is never exceeded`);
  const used = defaults.usedPercent;
  if (unit.swap && used < 100) {
    const on = unit.on[0] === 'system' ? '' : 'system.';
    rules.push({
      ...{ name: `memory and swap are used up, for ${unit.name}`, on: unit.on },
      when: [`${on}usage > ${used} %`, `${on}swap_free < ${rounded(100 - used)} %`],
      ...{ rank: 'swap', min_points: leastPoints(machine), kill: 'cgroup', steps: [{ do: 'kill' }], cool_down: PAUSE },
    });
  } else if (unit.swap) notes.push(`${unit.name}: SwapUsedLimit=100% is never exceeded`);
  return rules;
}

/** 5 % of all swap, in points of `rank = "swap"`: 1000 are all memory and swap of this machine. */
function leastPoints({ memory, swap }: MachineKib): number {
  return Math.min(2000, Math.round((10 * LEAST_SWAP_PERCENT * swap) / (memory + swap)));
}

function rulesetsOf(
  settings: readonly (Located & { path: string })[],
  units: readonly ManagedUnit[],
  said: Say,
): object[] {
  return [...Map.groupBy(settings, ({ path }) => basename(path, '.oomrule'))].flatMap(([name, all]) => {
    const [first] = all;
    const on = units.filter(({ rulesets }) => rulesets.includes(name)).flatMap((unit) => unit.on);
    if (first && on.length === 0)
      said(first, `no unit file with OOMRules=${name} was given, so it is not known where it acts`);
    return on.length === 0 ? [] : rulesetOf(name, on, all, said);
  });
}

function rulesetOf(name: string, on: readonly string[], settings: readonly Located[], said: Say): object[] {
  const last = (setting: string) => settings.findLast((each) => each.name === setting && each.value !== '');
  const percent = (setting: string, text: (limit: number) => string) => {
    const given = last(setting);
    const limit = given && share(given.value);
    if (given && (limit === undefined || limit >= 100))
      said(given, 'expected a share below 100%; systemd-oomd ignores it');
    return limit === undefined || limit >= 100 ? [] : [text(limit)];
  };
  const lasts = last('LastingSec');
  const lastsMs = lasts ? timeSpan(lasts.value) : 0;
  if (lasts && !Number.isFinite(lastsMs)) said(lasts, 'the ruleset never acts');
  const system = on[0] === 'system' ? '' : 'system.';
  const when = [
    ...percent('MemoryPressureAbove', (limit) => `pressure.full.avg10 > ${limit} %`),
    ...percent('SwapUsageMax', (limit) => `${system}swap_free < ${rounded(100 - limit)} %`),
  ].map((detector) => `${detector}${lasting(lastsMs ?? 0)}`);
  const action = last('Action');
  const known = ['kill-all', 'kill-by-pgscan', 'kill-by-swap'].includes(action?.value ?? '');
  for (const each of settings) {
    if (!['MemoryPressureAbove', 'SwapUsageMax', 'LastingSec', 'Action'].includes(each.name))
      said(each, 'there is no such setting of a ruleset');
  }
  if (action && !known)
    said(action, 'expected "kill-all", "kill-by-pgscan" or "kill-by-swap"; systemd-oomd ignores the ruleset');
  if (action?.value === 'kill-all')
    said(action, 'the guard kills one cgroup below the unit after another, not all at once');
  if (action?.value === 'kill-by-pgscan') said(action, 'candidates are ranked by memory');
  if (!known || when.length === 0 || !Number.isFinite(lastsMs)) return [];
  const rank = action?.value === 'kill-by-swap' ? { rank: 'swap' } : {};
  return [{ name: `ruleset ${name}`, on, when, ...rank, kill: 'cgroup', steps: [{ do: 'kill' }], cool_down: PAUSE }];
}

const lasting = (ms: number) => (ms > 0 ? ` for ${writeDuration(ms)}` : '');
const rounded = (value: number) => Math.round(value * 100) / 100;
