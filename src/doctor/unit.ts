/** Reads the rights that a systemd unit gives its service: systemd.exec(5), "Capabilities". */
import { chooseFile } from '../config/choose-file.ts';
import { Capability, type CapabilityName } from '../linux/capabilities.ts';
import { readRegularFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

export interface UnitRights {
  /** The capabilities of the service's process when it starts, of those that oomscope may need. */
  capabilities: CapabilityName[];
  /** The file after `--config` in ExecStart=, of several the first that exists; undefined: there is none. */
  config: string | undefined;
}

const MOST_BYTES = 256 * 1024;
const all = Object.keys(Capability) as CapabilityName[];

/** @throws OomscopeError NO_INPUT: the file cannot be read; BAD_INPUT: it is no unit of a service */
export function readUnitRights(path: string): UnitRights {
  const { bytes, problem } = readRegularFile(path, MOST_BYTES);
  if (problem !== undefined) throw new OomscopeError('NO_INPUT', `Expected a unit in ${printable(path)}: ${problem}.`);
  const settings = serviceSettings(bytes.toString());
  if (!settings) throw new OomscopeError('BAD_INPUT', `${printable(path)}: expected a section [Service], found none.`);
  return unitRights(settings);
}

/** The settings of [Service], each with its values in order. undefined: the text has no such section. */
export function serviceSettings(text: string): Map<string, string[]> | undefined {
  let settings: Map<string, string[]> | undefined;
  let inService = false;
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    const section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1];
    if (section !== undefined) {
      inService = section === 'Service';
      if (inService) settings ??= new Map();
    }
    const [, name, value = ''] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (!inService || name === undefined) continue;
    settings?.set(name, [...(settings.get(name) ?? []), value]);
  }
  return settings;
}

export function unitRights(settings: ReadonlyMap<string, readonly string[]>): UnitRights {
  const last = (name: string) => settings.get(name)?.at(-1);
  const bounding = setOf(settings.get('CapabilityBoundingSet'), all);
  const ambient = setOf(settings.get('AmbientCapabilities'), []);
  const user = last('User') ?? '';
  const isRoot = (user === '' || user === 'root' || user === '0') && last('DynamicUser') !== 'yes';
  // With the bit noroot, a program of root gets the ambient capabilities only, as one of any other user.
  const hasAll = isRoot && !/\bnoroot\b/.test(settings.get('SecureBits')?.join(' ') ?? '');
  const capabilities = hasAll ? bounding : ambient.filter((name) => bounding.includes(name));
  const files = [...(last('ExecStart') ?? '').matchAll(/ --config[= ](\S+)/g)].map((match) => match[1] ?? '');
  return { capabilities, config: files.length === 0 ? undefined : chooseFile(files).file };
}

/** Several lines are combined; an empty one begins anew; "~" removes what follows. */
function setOf(lines: readonly string[] | undefined, standard: readonly CapabilityName[]): CapabilityName[] {
  if (lines === undefined) return [...standard];
  let set: CapabilityName[] | undefined;
  for (const line of lines) {
    const inverted = line.startsWith('~');
    const words = line.replace(/^~/, '').toUpperCase().split(/\s+/);
    const named = all.filter((name) => words.includes(name));
    if (line === '') set = [];
    else if (inverted) set = (set ?? all).filter((name) => !named.includes(name));
    else set = [...new Set([...(set ?? []), ...named])];
  }
  return set ?? [...standard];
}
