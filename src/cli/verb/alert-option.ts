/**
 * `--alert SINK`, for every verb that watches something.
 */

import type { Dispatcher } from '../../alerts/dispatch.ts';
import type { LaneOptions, LaneReport } from '../../alerts/lane.ts';
import { kindOf, openSink, type SinkOptions, sinkKinds } from '../../alerts/open.ts';
import { severities } from '../../model/alert.ts';
import { suggestion } from '../../text/did-you-mean.ts';
import { printable } from '../../text/printable.ts';
import { count, duration, type Option, oneOf, size, usage } from './options.ts';

/** What may follow the target, as words `NAME=VALUE`. */
const settings: Record<string, Option<Partial<SinkOptions>>> = {
  min: as(oneOf('SEVERITY', `tell only what is at least this: ${severities.join(', ')}`, severities), (minimum) => ({
    minimum,
  })),
  spool: word('DIR', 'keep in this directory what the other side does not take, over restarts too', (spool) => ({
    spool,
  })),
  'spool-size': as(size('SIZE', 'at most this much of it (64M)'), (spoolBytes) => ({ spoolBytes })),
  timeout: as(duration('TIME', 'most time for one alert (10s)'), (timeoutMs) => ({ timeoutMs })),
  'key-env': word('NAME', 'webhook: sign with the key in this environment variable', (env) => ({ key: { env } })),
  'key-file': word('PATH', 'webhook: sign with the key in this file', (file) => ({ key: { file } })),
  'token-env': word('NAME', 'webhook, alertmanager: bearer token', (env) => ({ token: { env } })),
  'token-file': word('PATH', 'webhook, alertmanager: bearer token', (file) => ({ token: { file } })),
  arg: word('WORD', 'exec: an argument; may be repeated', (arg) => ({ args: [arg] })),
  every: as(duration('TIME', 'exec: at most once in this time (1s)'), (everyMs) => ({ everyMs })),
  size: as(size('SIZE', 'file: rotate at this size (10M)'), (mostBytes) => ({ mostBytes })),
  keep: as(count('N', 'file: keep so many old ones (5)'), (keep) => ({ keep })),
};

export const sinkHelp = () => `${rows(
  Object.entries(sinkKinds).map(([name, { target, about }]) => [target ? `${name}=${target}` : name, about]),
)}

  A URL may be in a file: slack=@/etc/oomscope/slack-url. Behind the target, in the same word of the shell:

${rows(Object.entries(settings).map(([name, { value, help }]) => [`${name}=${value}`, help]))}
`;

export const alertOption = {
  value: 'SINK',
  help: `tell this sink of kills and pressure; may be repeated. One of\n${Object.keys(sinkKinds).join(', ')}: see \`oomscope alert --help\``,
  multiple: true as const,
  parse: parseSink,
};

/**
 * `webhook=https://example.org/hook min=warning key-env=KEY`
 *
 * @throws OomscopeError USAGE. Never with the target in it: a URL may be a secret
 */
export function parseSink(text: string, option: string): SinkOptions {
  const [head = '', ...words] = text.trim().split(/\s+(?=[a-z-]+=)/);
  const at = head.indexOf('=');
  const sink = at < 0 ? head : head.slice(0, at);
  kindOf(sink);
  const options: SinkOptions = { sink, ...(at >= 0 && { target: head.slice(at + 1) }) };
  for (const given of words) {
    const name = given.slice(0, given.indexOf('='));
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
    const names = Object.keys(settings);
    if (!setting) {
      throw usage(`${option} ${sink}: there is no setting "${name}". ${suggestion(name, names)}`);
    }
    const parsed = setting.parse(given.slice(name.length + 1), `${option} ${sink} ${name}`);
    Object.assign(options, parsed, parsed.args && { args: [...(options.args ?? []), ...parsed.args] });
  }
  return options;
}

/**
 * Says what is wrong with a sink before anything is attached. What goes wrong later is said on stderr.
 *
 * @returns starts them; undefined when there are none, and then nothing is loaded
 * @throws OomscopeError USAGE
 */
export async function openAlerts(sinks: readonly SinkOptions[]): Promise<(() => Dispatcher) | undefined> {
  if (sinks.length === 0) return undefined;
  const { Dispatcher } = await import('../../alerts/dispatch.ts');
  const say = (message: string) => process.stderr.write(`oomscope: ${printable(message)}\n`);
  const lanes: LaneOptions[] = [];
  for (const sink of sinks) lanes.push(await openSink(sink, say));
  const onReport = ({ state, message }: LaneReport) => {
    if (state !== 'delivered') say(message);
  };
  return () => new Dispatcher(lanes, { onReport });
}

function as<T>(option: Option<T>, make: (value: T) => Partial<SinkOptions>): Option<Partial<SinkOptions>> {
  return { ...option, parse: (text, name) => make(option.parse(text, name)) };
}

function word(value: string, help: string, make: (value: string) => Partial<SinkOptions>) {
  return as(
    {
      value,
      help,
      parse: (text, name) => {
        if (text === '') throw usage(`${name}: expected a value, got nothing.`);
        return text;
      },
    },
    make,
  );
}

function rows(pairs: [string, string][]): string {
  return pairs.map(([left, right]) => `  ${left.padEnd(20)} ${right}`).join('\n');
}
