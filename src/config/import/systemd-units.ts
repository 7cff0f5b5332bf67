/** Which cgroups systemd-oomd watches: units whose files have ManagedOOM…= or OOMRules=. */
import { basename } from 'node:path';
import type { Setting } from './systemd-syntax.ts';
import { share, timeSpan } from './systemd-syntax.ts';

/** A unit, as its files set it. */
export interface ManagedUnit {
  /** "user@.service" */
  name: string;
  /** Where its cgroups are, for `on` of a rule: paths with * and ?, or "system". */
  on: readonly string[];
  pressure: boolean;
  swap: boolean;
  /** In percent; undefined: the default of oomd.conf. */
  limit: number | undefined;
  lastsMs: number | undefined;
  /** Names of rulesets: NAME of rules.d/NAME.oomrule. */
  rulesets: readonly string[];
}

/** Sections of unit files that can have the settings. */
export const UNIT_SECTIONS = ['Slice', 'Service', 'Scope', 'Socket', 'Mount', 'Swap'];
const UNIT = /([^/]+\.(?:slice|service|scope|socket|mount|swap))(?:\.d\/[^/]+)?$/;

/** The name of the unit that a file belongs to; undefined: it is not the path of a unit file or of a drop-in. */
export const unitOf = (path: string): string | undefined => UNIT.exec(path)?.[1];

/**
 * @param settings of the sections above, from all files of this unit in their order
 * @param say takes a sentence about a setting that is not converted
 */
export function managedUnit(
  path: string,
  name: string,
  settings: readonly Setting[],
  say: (setting: Setting, why: string) => void,
): ManagedUnit {
  const last = (...names: string[]) => settings.findLast((setting) => names.includes(setting.name));
  const read = <T>(setting: Setting | undefined, parse: (text: string) => T | undefined, expected: string) => {
    if (!setting || setting.value === '') return undefined;
    const value = parse(setting.value);
    if (value === undefined) say(setting, `expected ${expected}; systemd ignores it`);
    return value;
  };
  const kills = (setting: Setting | undefined) =>
    read(setting, (text) => (['auto', 'kill'].includes(text) ? text : undefined), '"auto" or "kill"') === 'kill';
  const limit = read(
    last('ManagedOOMMemoryPressureLimit', 'ManagedOOMMemoryPressureLimitPercent'),
    share,
    'a share such as "60%"',
  );
  const preference = last('ManagedOOMPreference');
  if (preference && preference.value !== 'none' && preference.value !== '')
    say(preference, 'needs no setting: the guard reads the attribute that systemd sets on the cgroup');
  return {
    name,
    on: cgroupsOf(path, name, last('Slice')?.value),
    pressure: kills(last('ManagedOOMMemoryPressure')),
    swap: kills(last('ManagedOOMSwap')),
    limit: limit === 0 ? undefined : limit,
    lastsMs: read(last('ManagedOOMMemoryPressureDurationSec'), timeSpan, 'a time such as "20s"'),
    rulesets: (last('OOMRules')?.value ?? '').split(/\s+/).filter((each) => each !== ''),
  };
}

/** A uid has up to ten digits. A `?` stands for one of them, where `*` would also match the cgroups below. */
const uids = Array.from({ length: 10 }, (_, i) => '?'.repeat(i + 1));
const manager = (uid: string) => `/user.slice/user-${uid}.slice/user@${uid}.service`;

/** The cgroups of a unit. systemd nests slices by their names, and puts a service into system.slice by default. */
export function cgroupsOf(path: string, name: string, slice: string | undefined): string[] {
  const ofUser = /\/systemd\/user\//.test(path);
  const above = ofUser ? uids.map(manager) : [''];
  return above.flatMap((root) =>
    inManager(name, slice ?? (ofUser ? 'app.slice' : 'system.slice')).map((at) => root + at),
  );
}

function inManager(name: string, slice: string): string[] {
  if (name === '-.slice') return ['system'];
  const user = /^user@(\d*)\.service$/.exec(name)?.[1];
  if (user !== undefined) return user === '' ? uids.map(manager) : [manager(user)];
  if (name === 'user-.slice') return uids.map((uid) => `/user.slice/user-${uid}.slice`);
  if (name.endsWith('.slice')) return [sliceOf(name)];
  const [, template] = /^(.+)@\.service$/.exec(name) ?? [];
  if (template === undefined) return [`${sliceOf(slice)}/${name}`];
  return [`${sliceOf(slice)}/system-${template.replaceAll('-', '\\x2d')}.slice/${template}@*.service`];
}

/** "a-b.slice" is at "/a.slice/a-b.slice"; systemd.slice(5). */
function sliceOf(name: string): string {
  const parts = basename(name, '.slice').split('-');
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('-')}.slice`).join('');
}
