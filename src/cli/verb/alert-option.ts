/**
 * `--alert SINK`, an option of every verb that watches events. The settings of each sink come from
 * alerts/sink-table.ts.
 */
import type { AlertSinks } from '../../alerts/alert-sinks.ts';
import type { Dispatcher } from '../../alerts/dispatch.ts';
import type { LaneOptions, LaneReport } from '../../alerts/lane.ts';
import { kindOf } from '../../alerts/open.ts';
import {
  type OptionName,
  type SinkOption,
  type SinkOptions,
  sinkKinds,
  sinkOptions,
  sinksWith,
} from '../../alerts/sink-table.ts';
import { severities } from '../../model/severity.ts';
import { suggestion } from '../../text/did-you-mean.ts';
import { writeDuration, writeSize } from '../../text/units.ts';
import type { Section } from './help.ts';
import { duration, type Option, oneOf, several, size, usage } from './options.ts';
import { tell } from './tell.ts';

/** A word `NAME=VALUE` after the target, and the sink's option that it sets. */
interface Setting {
  property: OptionName;
  option: SinkOption;
  value: string;
  help: string;
  parse: Option<unknown>['parse'];
}

const settings: Record<string, Setting> = Object.fromEntries(
  (Object.entries(sinkOptions) as [OptionName, SinkOption][]).flatMap(([property, option]) => {
    const help = option.about;
    const name = option.name.replaceAll('_', '-');
    if (option.kind !== 'secret') return [[name, { property, option, help, ...parserOf(option) }]];
    return [
      [`${name}-env`, { property, option, help: `${help}, from this variable`, ...word('NAME', (env) => ({ env })) }],
      [`${name}-file`, { property, option, help: `${help}, from this file`, ...word('PATH', (file) => ({ file })) }],
    ];
  }),
);

/** A section of the help: the sinks, and the settings that may follow a target. */
export const sinkSections = (): Section[] => [
  {
    title: 'Sinks',
    rows: Object.entries(sinkKinds).map(([name, { target, about }]) => [target ? `${name}=${target}` : name, about]),
  },
  {
    text: 'To read the URL from a file, write: slack=@/etc/oomscope/slack-url. Settings follow the target, in the same shell argument:',
  },
  {
    title: 'Settings',
    rows: Object.entries(settings).map(([name, setting]) => [`${name}=${setting.value}`, meaningOf(setting)]),
  },
];

/** The help of a setting. It names the sinks that have the setting, unless all sinks have it. */
function meaningOf({ property, help }: Setting): string {
  const sinks = sinksWith(property).join(', ');
  return sinks === '' ? help : `${help}; for ${sinks}`;
}

/** Declares the option `--alert` for a verb. */
export const alertOption = several({
  value: 'SINK',
  help: `send alerts to this sink: ${Object.keys(sinkKinds).join(', ')}; see \`oomscope alert test --help\``,
  parse: parseSink,
});

/**
 * `webhook=https://example.org/hook level=warning key-env=KEY`
 *
 * @throws OomscopeError USAGE. The message never shows the target: a URL may be a secret
 */
export function parseSink(text: string, option: string): SinkOptions {
  const [head = '', ...words] = text.trim().split(/\s+(?=[a-z-]+=)/);
  const at = head.indexOf('=');
  const sink = at < 0 ? head : head.slice(0, at);
  kindOf(sink);
  const options: Record<string, unknown> = {};
  for (const given of words) {
    const name = given.slice(0, given.indexOf('='));
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
    if (!setting) {
      const meant = name === 'min' ? 'Did you mean "level"?' : suggestion(name, Object.keys(settings));
      throw usage(`${option} ${sink}: there is no setting "${name}". ${meant}`);
    }
    const { property, option: declared } = setting;
    const parsed = setting.parse(given.slice(name.length + 1), `${option} ${sink} ${name}`);
    if (declared.kind === 'secret' && options[property] !== undefined) {
      throw usage(`${option} ${sink}: expected one of ${declared.name}-env and ${declared.name}-file, got both.`);
    }
    options[property] = declared.kind === 'words' ? [...((options[property] as unknown[]) ?? []), parsed] : parsed;
  }
  return { sink, ...(at >= 0 && { target: head.slice(at + 1) }), ...options };
}

/**
 * Opens the sinks, so that a wrong option is reported before any BPF program is attached. Later errors go to stderr.
 *
 * @returns a function that starts the sinks; undefined when no sink is given (then the code of sinks is not loaded)
 * @throws OomscopeError USAGE
 */
export async function openAlerts(sinks: readonly SinkOptions[]): Promise<(() => Dispatcher) | undefined> {
  if (sinks.length === 0) return undefined;
  const [{ Dispatcher }, { openSink }] = await Promise.all([
    import('../../alerts/dispatch.ts'),
    import('../../alerts/open.ts'),
  ]);
  const lanes: LaneOptions[] = [];
  for (const sink of sinks) lanes.push(await openSink(sink, tell));
  return () => new Dispatcher(lanes, { onReport: tellReport });
}

/**
 * Opens the sinks of a configuration file. The set of sinks can be replaced when the file is reloaded.
 *
 * @throws OomscopeError USAGE
 */
export async function openAlertSinks(sinks: readonly SinkOptions[]): Promise<AlertSinks> {
  const { AlertSinks } = await import('../../alerts/alert-sinks.ts');
  return AlertSinks.open(sinks, { onReport: tellReport, onTrouble: tell });
}

function tellReport({ state, message }: LaneReport): void {
  if (state !== 'delivered') tell(message);
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
