/**
 * Words `NAME=VALUE` that follow the main part of an option's value, such as the target of a sink. They are made from a
 * table of declared options.
 */
import type { SinkOption } from '../../alerts/sink-table.ts';
import { severities } from '../../model/severity.ts';
import { suggestion } from '../../text/did-you-mean.ts';
import { writeDuration, writeSize } from '../../text/units.ts';
import { duration, type Option, oneOf, size, usage } from './options.ts';

/** A word, and the option that it sets. */
export interface Setting {
  property: string;
  option: SinkOption;
  value: string;
  help: string;
  parse: Option<unknown>['parse'];
}

export type Settings = Record<string, Setting>;

export const settingsOf = (options: readonly [string, SinkOption][]): Settings =>
  Object.fromEntries(
    options.flatMap(([property, option]): [string, Setting][] => {
      const help = option.about;
      const name = option.name.replaceAll('_', '-');
      if (option.kind !== 'secret') return [[name, { property, option, help, ...parserOf(option) }]];
      return [
        [`${name}-env`, { property, option, help: `${help}, from this variable`, ...word('NAME', (env) => ({ env })) }],
        [`${name}-file`, { property, option, help: `${help}, from this file`, ...word('PATH', (file) => ({ file })) }],
      ];
    }),
  );

/** Rows of the help. */
export const rowsOf = (
  settings: Settings,
  meaningOf: (setting: Setting) => string = ({ help }) => help,
): [string, string][] =>
  Object.entries(settings).map(([name, setting]) => [`${name}=${setting.value}`, meaningOf(setting)]);

/** Splits a value at the white space before each setting: the main part may contain other white space. */
export const splitSettings = (text: string): string[] => text.trim().split(/\s+(?=[a-z-]+=)/);

/**
 * @param of for errors: "--alert webhook"
 * @param hint a better hint for a name that does not exist
 * @throws OomscopeError USAGE
 */
export function parseSettings(
  settings: Settings,
  words: readonly string[],
  of: string,
  hint: (name: string) => string | undefined = () => undefined,
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const given of words) {
    const name = given.slice(0, given.indexOf('='));
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
    if (!setting) {
      const meant = hint(name) ?? suggestion(name, Object.keys(settings));
      throw usage(`${of}: there is no setting "${name}". ${meant}`);
    }
    const { property, option: declared } = setting;
    const parsed = setting.parse(given.slice(name.length + 1), `${of} ${name}`);
    if (declared.kind === 'secret' && options[property] !== undefined) {
      throw usage(`${of}: expected one of ${declared.name}-env and ${declared.name}-file, got both.`);
    }
    options[property] = declared.kind === 'words' ? [...((options[property] as unknown[]) ?? []), parsed] : parsed;
  }
  return options;
}

type Parser = Pick<Setting, 'value' | 'parse'>;

function parserOf({ kind, range = [0, Number.MAX_SAFE_INTEGER] }: SinkOption): Parser {
  switch (kind) {
    case 'severity':
      return { value: 'SEVERITY', parse: oneOf('SEVERITY', '', severities).parse };
    case 'directory':
      return word('DIR');
    case 'words':
      return word('WORD');
    case 'whole':
      return { value: 'N', parse: whole(...range) };
    case 'duration':
      return { value: 'TIME', parse: within(range, duration('TIME', '').parse, writeDuration) };
    case 'size':
      return { value: 'SIZE', parse: within(range, size('SIZE', '').parse, writeSize) };
    default:
      return word('TEXT');
  }
}

function word(value: string, make: (text: string) => unknown = (text) => text): Parser {
  return {
    value,
    parse: (text, name) => {
      if (text === '') throw usage(`${name}: expected a value, got nothing.`);
      return make(text);
    },
  };
}

function within(
  [least, most]: readonly [number, number],
  parse: Option<number>['parse'],
  write: (value: number) => string,
): Parser['parse'] {
  return (text, name) => {
    const value = parse(text, name);
    if (value >= least && value <= most) return value;
    throw usage(`${name}: expected a value from ${write(least)} to ${write(most)}, got "${text}".`);
  };
}

function whole(least: number, most: number): Parser['parse'] {
  return (text, name) => {
    if (/^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
    throw usage(`${name}: expected a whole number from ${least} to ${most}, got "${text}".`);
  };
}
