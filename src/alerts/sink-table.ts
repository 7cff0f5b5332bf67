/**
 * Every kind of sink and every option of a sink, each declared once. The command line, the configuration file and its
 * JSON Schema, `config print`, the help and the systemd unit are made from these two tables.
 *
 * A new sink is a file in sinks/ and an entry in `sinkKinds`. A new option is one line in `sinkOptions`, and its name in
 * the `takes` of each sink that has that option.
 */
import type { Severity } from '../model/severity.ts';
import type { Secret } from './secret.ts';
import type { Sink } from './sinks/sink.ts';

/** The type of an option's value, by the kind of the option. */
interface OptionValues {
  severity: Severity;
  directory: string;
  text: string;
  /** A list of texts. */
  words: string[];
  /** A whole number. */
  whole: number;
  /** Milliseconds. */
  duration: number;
  /** Bytes. */
  size: number;
  /** The place of a secret, never the secret itself. */
  secret: Secret;
}

export type OptionKind = keyof OptionValues;

export interface SinkOption<K extends OptionKind = OptionKind> {
  kind: K;
  /**
   * Name of the option in the configuration file; the command line writes "-" instead of "_". An option of kind `words`
   * is the list `NAMEs` in the file and `NAME`, repeated, on the command line. A `secret` is two options: `NAME_env`
   * and `NAME_file`.
   */
  name: string;
  /** One phrase for the help and the JSON Schema, with the default. */
  about: string;
  /** Smallest and largest value of a whole number, a duration (ms) or a size (bytes). */
  range?: readonly [number, number];
}

const option = <K extends OptionKind>(kind: K, name: string, about: string): SinkOption<K> => ({ kind, name, about });

const ranged = <K extends 'whole' | 'duration' | 'size'>(given: SinkOption<K>, least: number, most: number) => ({
  ...given,
  range: [least, most] as const,
});

/** Every option, in the order of the help. The keys are the names in {@link SinkOptions}. */
export const sinkOptions = {
  minimum: option('severity', 'level', 'send only alerts at least this severe (default: info)'),
  spool: option('directory', 'spool', 'keep undelivered alerts in this directory, also across restarts'),
  spoolBytes: ranged(
    option('size', 'spool_size', 'limit of the spool; drops the oldest first (default: 64M)'),
    64 * 1024,
    2 ** 40,
  ),
  timeoutMs: ranged(option('duration', 'timeout', 'timeout of one delivery (default: 10s)'), 1, 3_600_000),
  key: option('secret', 'key', 'sign each request with this key'),
  token: option('secret', 'token', 'send this bearer token'),
  routingKey: option('secret', 'routing_key', 'the integration key of the service'),
  server: option('text', 'server', 'smtp://HOST:PORT or smtps://HOST:PORT (default: the program sendmail)'),
  from: option('text', 'from', 'the address of the sender (default: oomscope at the name of this host)'),
  user: option('text', 'user', 'log in to the server as this user; needs a password'),
  password: option('secret', 'password', 'the password of the user'),
  ca: option('text', 'ca_file', 'trust the certificates in this file (PEM) instead of the usual ones'),
  args: option('words', 'arg', 'an argument of the program'),
  everyMs: ranged(
    option('duration', 'every', 'shortest interval between two deliveries (default: 1s; email: 1m)'),
    1,
    86_400_000,
  ),
  mostBytes: ranged(option('size', 'size', 'rotate the file at this size (default: 10M)'), 1024, 2 ** 40),
  keep: ranged(option('whole', 'keep', 'number of rotated files to keep (default: 5)'), 0, 1000),
};

export type OptionName = keyof typeof sinkOptions;

type Kinds = { [K in OptionName]: (typeof sinkOptions)[K]['kind'] };

/** The options of one sink, as the command line or the configuration file gives them. */
export type SinkOptions = {
  /** Kind of the sink: a key of {@link sinkKinds}. */
  sink: string;
  /** URL, path or program. `@PATH` means that the URL is read from that file. */
  target?: string;
} & { [K in OptionName]?: OptionValues[Kinds[K]] };

/** The options that a sink is opened with: those that it takes itself, with secrets already read. */
export type OpenOptions = { [K in OptionName]?: Kinds[K] extends 'secret' ? string : OptionValues[Kinds[K]] };

/** Options that every sink takes: they belong to its lane, not to the sink itself. */
export const commonOptions = ['minimum', 'spool', 'spoolBytes'] as const satisfies OptionName[];

export interface SinkKind {
  /** What follows the name, as in `webhook=URL`; absent when the sink needs no target. */
  target?: 'URL' | 'PATH' | 'PROGRAM' | 'ADDRESS';
  /** One phrase for the help. */
  about: string;
  /** `network`: the sink may open network connections. `machine`: it needs this machine only. */
  reach: 'network' | 'machine';
  /** Options that this sink takes in addition to {@link commonOptions}. */
  takes: readonly OptionName[];
  /** The secret without which it cannot send. */
  needs?: 'routingKey';
  /** Loads the sink's code and opens it. @throws OomscopeError USAGE */
  open: (options: OpenOptions, target: string) => Promise<Sink>;
}

/** Every kind of sink by its name, in the order of the help. */
export const sinkKinds: Record<string, SinkKind> = {
  webhook: {
    target: 'URL',
    about: 'CloudEvents by HTTP, signed when there is a key',
    reach: 'network',
    takes: ['timeoutMs', 'key', 'token'],
    open: async (options, url) => (await import('./sinks/webhook.ts')).webhook({ url, ...options }),
  },
  slack: {
    target: 'URL',
    about: 'an incoming webhook of Slack or Mattermost',
    reach: 'network',
    takes: ['timeoutMs'],
    open: async (options, url) => (await import('./sinks/slack.ts')).slack({ url, ...options }),
  },
  alertmanager: {
    target: 'URL',
    about: 'Prometheus Alertmanager, API v2',
    reach: 'network',
    takes: ['timeoutMs', 'token'],
    open: async (options, url) => (await import('./sinks/alertmanager.ts')).alertmanager({ url, ...options }),
  },
  pagerduty: {
    target: 'URL',
    about: 'PagerDuty, Events API v2: https://events.pagerduty.com/v2/enqueue',
    reach: 'network',
    takes: ['timeoutMs', 'routingKey'],
    needs: 'routingKey',
    open: async (options, url) => (await import('./sinks/pagerduty.ts')).pagerduty({ url, ...options }),
  },
  email: {
    target: 'ADDRESS',
    about: 'a mail, by SMTP or sendmail; at most one a minute',
    reach: 'network',
    takes: ['timeoutMs', 'server', 'from', 'user', 'password', 'ca', 'everyMs'],
    open: async (options, to) => (await import('./sinks/email.ts')).email({ to, ...options }),
  },
  exec: {
    target: 'PROGRAM',
    about: 'a program: JSON on stdin, OOMSCOPE_* in its environment',
    reach: 'network', // the program may open connections
    takes: ['timeoutMs', 'args', 'everyMs'],
    open: async (options, program) => (await import('./sinks/exec.ts')).exec({ program, ...options }),
  },
  file: {
    target: 'PATH',
    about: 'JSON Lines in a file, rotated',
    reach: 'machine',
    takes: ['mostBytes', 'keep'],
    open: async (options, path) => (await import('./sinks/file.ts')).file({ path, ...options }),
  },
  journald: {
    about: 'a line in the journal',
    reach: 'machine',
    takes: [],
    open: async () => (await import('./sinks/journald.ts')).journald(),
  },
  desktop: {
    about: 'a notification, by notify-send',
    reach: 'machine',
    takes: ['timeoutMs'],
    open: async (options) => (await import('./sinks/desktop.ts')).desktop(options),
  },
};

/** Names of the sinks that take an option; empty: every sink takes it. */
export function sinksWith(name: OptionName): string[] {
  if (commonOptions.some((common) => common === name)) return [];
  return Object.keys(sinkKinds).filter((sink) => sinkKinds[sink]?.takes.includes(name));
}

/** @returns undefined when there is no such sink */
export const sinkKind = (name: string): SinkKind | undefined =>
  Object.hasOwn(sinkKinds, name) ? sinkKinds[name] : undefined;

/** True when at least one of these sinks may open network connections. */
export const needNetwork = (sinks: readonly SinkOptions[]): boolean =>
  sinks.some(({ sink }) => sinkKind(sink)?.reach !== 'machine');
