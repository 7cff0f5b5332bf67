/** The [[alert]] sections: who is told. */

import { foreignTo, type SinkOptions, sinkKinds } from '../alerts/open.ts';
import type { Secret } from '../alerts/secret.ts';
import { severities } from '../model/alert.ts';
import {
  choice,
  duration,
  list,
  needed,
  optional,
  type Shape,
  size,
  table,
  text,
  type ValueOf,
  whole,
} from './shape.ts';

const sinkTable = table({
  sink: needed(choice(...Object.keys(sinkKinds)), 'what it is told by'),
  target: optional(text, 'URL, path or program. A URL may be in a file: "@/etc/oomscope/slack-url"'),
  min: optional(choice(...severities), 'tell only what is at least this'),
  spool: optional(text, 'directory in which waits what the other side does not take, over restarts too'),
  spool_size: optional(size, 'at most this much of it'),
  timeout: optional(duration, 'most time for one alert'),
  every: optional(duration, 'exec: at most once in this time'),
  args: optional(list(text), 'exec: arguments'),
  key_env: optional(text, 'webhook: sign with the key in this environment variable'),
  key_file: optional(text, 'webhook: sign with the key in this file'),
  token_env: optional(text, 'webhook, alertmanager: bearer token in this environment variable'),
  token_file: optional(text, 'webhook, alertmanager: bearer token in this file'),
  size: optional(size, 'file: rotate at this size'),
  keep: optional(whole(0, 1000), 'file: keep so many old ones'),
});

/** As the command line's `--alert`, with the same names. Files and programs are looked for when the sinks are opened. */
export const alertShape: Shape<SinkOptions> = {
  schema: sinkTable.schema,
  read(value, path, faults) {
    const given = sinkTable.read(value, path, faults);
    if (!given) return undefined;
    for (const secret of ['key', 'token'] as const) {
      if (given[`${secret}_env`] !== undefined && given[`${secret}_file`] !== undefined)
        return faults.add(path, `expected one of ${secret}_env and ${secret}_file, got both.`);
    }
    const options = optionsOf(given);
    const kind = sinkKinds[given.sink];
    if (kind?.target && given.target === undefined) {
      return faults.add(path, `expected "target", the ${kind.target} of ${given.sink}.`);
    }
    const foreign = foreignTo(options);
    return foreign.length === 0 ? options : faults.add(path, `${given.sink} has no ${foreign.join(', ')}.`);
  },
};

function optionsOf(given: ValueOf<typeof sinkTable>): SinkOptions {
  const options: Record<keyof SinkOptions, unknown> = {
    sink: given.sink,
    target: given.target,
    minimum: given.min,
    spool: given.spool,
    spoolBytes: given.spool_size,
    timeoutMs: given.timeout,
    everyMs: given.every,
    args: given.args,
    key: secretOf(given.key_env, given.key_file),
    token: secretOf(given.token_env, given.token_file),
    mostBytes: given.size,
    keep: given.keep,
  };
  const present = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as unknown as SinkOptions;
}

function secretOf(env: string | undefined, file: string | undefined): Secret | undefined {
  if (env !== undefined) return { env };
  return file === undefined ? undefined : { file };
}
