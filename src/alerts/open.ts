/**
 * Sinks by name, as the command line and the configuration have them. A sink's code is loaded when it is used.
 */
import type { AlertSeverity } from '../model/alert.ts';
import { OomscopeError } from '../model/error.ts';
import { suggestion } from '../text/did-you-mean.ts';
import { printable } from '../text/printable.ts';
import type { LaneOptions } from './lane.ts';
import { readSecret, type Secret } from './secret.ts';
import type { Sink } from './sinks/sink.ts';

export interface SinkOptions {
  sink: string;
  /** URL, path or program. `@PATH`: the URL is in that file. */
  target?: string;
  /** Alerts below it are not told. Default `info`. */
  minimum?: AlertSeverity;
  /** Directory in which alerts wait while the other side is down, over restarts too. Default: in memory. */
  spool?: string;
  spoolBytes?: number;
  timeoutMs?: number;
  /** exec: least time from one run to the next. */
  everyMs?: number;
  /** exec: arguments. */
  args?: string[];
  /** webhook: signs with it. */
  key?: Secret;
  /** webhook, alertmanager: `Authorization: Bearer`. */
  token?: Secret;
  /** file: size at which it is rotated, and how many old ones are kept. */
  mostBytes?: number;
  keep?: number;
}

interface Kind {
  /** What stands behind the name; undefined: nothing. */
  target?: 'URL' | 'PATH' | 'PROGRAM';
  about: string;
  takes: readonly (keyof SinkOptions)[];
  open: (options: SinkOptions, target: string) => Promise<Sink>;
}

const forAll = ['sink', 'target', 'minimum', 'spool', 'spoolBytes'] as const;

export const sinkKinds: Record<string, Kind> = {
  webhook: {
    target: 'URL',
    about: 'CloudEvents by HTTP, signed when there is a key',
    takes: ['timeoutMs', 'key', 'token'],
    open: async ({ timeoutMs, key, token }, url) => {
      const { webhook } = await import('./sinks/webhook.ts');
      return webhook({ url, ...timing(timeoutMs), ...secrets('webhook', key, token) });
    },
  },
  slack: {
    target: 'URL',
    about: 'an incoming webhook of Slack or Mattermost',
    takes: ['timeoutMs'],
    open: async ({ timeoutMs }, url) => (await import('./sinks/slack.ts')).slack({ url, ...timing(timeoutMs) }),
  },
  alertmanager: {
    target: 'URL',
    about: 'Prometheus Alertmanager, API v2',
    takes: ['timeoutMs', 'token'],
    open: async ({ timeoutMs, token }, url) => {
      const { alertmanager } = await import('./sinks/alertmanager.ts');
      return alertmanager({ url, ...timing(timeoutMs), ...secrets('alertmanager', undefined, token) });
    },
  },
  exec: {
    target: 'PROGRAM',
    about: 'a program: JSON on its standard input, OOMSCOPE_* in its environment',
    takes: ['timeoutMs', 'everyMs', 'args'],
    open: async ({ timeoutMs, everyMs, args = [] }, program) => {
      const { exec } = await import('./sinks/exec.ts');
      return exec({ program, args, ...timing(timeoutMs), ...(everyMs !== undefined && { everyMs }) });
    },
  },
  file: {
    target: 'PATH',
    about: 'JSON Lines in a file, rotated',
    takes: ['mostBytes', 'keep'],
    open: async ({ mostBytes, keep }, path) => {
      const { file } = await import('./sinks/file.ts');
      return file({ path, ...(mostBytes !== undefined && { mostBytes }), ...(keep !== undefined && { keep }) });
    },
  },
  journald: {
    about: 'a line in the journal',
    takes: [],
    open: async () => (await import('./sinks/journald.ts')).journald(),
  },
  desktop: {
    about: 'a notification, by notify-send',
    takes: ['timeoutMs'],
    open: async ({ timeoutMs }) => (await import('./sinks/desktop.ts')).desktop(timing(timeoutMs)),
  },
};

/**
 * A sink, ready for `alertTo()`. Whatever is wrong with it is said here, before anything starts.
 *
 * @param onTrouble something that is not an attempt in vain: the spool's disk is full
 * @throws OomscopeError USAGE
 */
export async function openSink(options: SinkOptions, onTrouble?: (message: string) => void): Promise<LaneOptions> {
  const kind = kindOf(options.sink);
  const foreign = foreignTo(options);
  if (foreign.length > 0) throw wrong(options.sink, `expected no ${foreign.join(', ')}, which it does not have.`);
  const sink = await kind.open(options, targetOf(options, kind));
  const { minimum, spool, spoolBytes } = options;
  return {
    sink,
    ...(minimum !== undefined && { minimum }),
    ...(spool !== undefined && { queue: await openSpool(spool, spoolBytes, onTrouble) }),
  };
}

/** Options that are given and that this sink does not have. */
export function foreignTo(options: SinkOptions): string[] {
  const known: readonly string[] = [...forAll, ...kindOf(options.sink).takes];
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return given.map(([name]) => name).filter((name) => !known.includes(name));
}

/** @throws OomscopeError USAGE, with the nearest name */
export function kindOf(name: string): Kind {
  const kind = Object.hasOwn(sinkKinds, name) ? sinkKinds[name] : undefined;
  if (kind) return kind;
  const names = Object.keys(sinkKinds);
  const got = printable(name).slice(0, 40);
  throw new OomscopeError('USAGE', `There is no sink "${got}". ${suggestion(got, names)}`);
}

function targetOf({ sink, target }: SinkOptions, kind: Kind): string {
  if (!kind.target) {
    if (target !== undefined) throw wrong(sink, 'expected the name alone, got a target.');
    return '';
  }
  if (!target) throw wrong(sink, `expected ${sink}=${kind.target}, got no ${kind.target}.`);
  return kind.target === 'URL' && target.startsWith('@')
    ? readSecret({ file: target.slice(1) }, `${sink} URL`)
    : target;
}

async function openSpool(directory: string, mostBytes?: number, onTrouble?: (message: string) => void) {
  const { Spool } = await import('./spool.ts');
  return new Spool({ directory, ...(mostBytes !== undefined && { mostBytes }), ...(onTrouble && { onTrouble }) });
}

const timing = (timeoutMs: number | undefined) => (timeoutMs === undefined ? {} : { timeoutMs });

function secrets(sink: string, key: Secret | undefined, token: Secret | undefined): { key?: string; token?: string } {
  return {
    ...(key && { key: readSecret(key, `${sink} key`) }),
    ...(token && { token: readSecret(token, `${sink} token`) }),
  };
}

const wrong = (sink: string, what: string) => new OomscopeError('USAGE', `${sink}: ${what}`);
