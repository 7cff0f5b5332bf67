/**
 * `--alert SINK`, an option of every verb that watches events. The settings of each sink come from
 * alerts/sink-table.ts.
 */
import type { AlertSinks } from '../../alerts/alert-sinks.ts';
import type { Dispatcher } from '../../alerts/dispatch.ts';
import type { LaneOptions, LaneReport } from '../../alerts/lane.ts';
import { kindOf } from '../../alerts/open.ts';
import { type OptionName, type SinkOptions, sinkKinds, sinkOptions, sinksWith } from '../../alerts/sink-table.ts';
import type { Section } from './help.ts';
import { several } from './options.ts';
import { parseSettings, rowsOf, type Setting, settingsOf, splitSettings } from './settings.ts';
import { tell } from './tell.ts';

const settings = settingsOf(Object.entries(sinkOptions));

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
    rows: rowsOf(settings, meaningOf),
  },
];

/** The help of a setting. It names the sinks that have the setting, unless all sinks have it. */
function meaningOf({ property, help }: Setting): string {
  const sinks = sinksWith(property as OptionName).join(', ');
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
  const [head = '', ...words] = splitSettings(text);
  const at = head.indexOf('=');
  const sink = at < 0 ? head : head.slice(0, at);
  kindOf(sink);
  const options = parseSettings(settings, words, `${option} ${sink}`, (name) =>
    name === 'min' ? 'Did you mean "level"?' : undefined,
  );
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
