/** The options of `oomscope history`. */
import { entryKinds } from '../../../history/entry.ts';
import { parseWhen } from '../../../history/when.ts';
import type { Context } from '../../verb/define-verb.ts';
import { byDefault, count, flag, type Option, oneOf, several, text, usage } from '../../verb/options.ts';

const when = (help: string): Option<number> => ({
  ...{ value: 'TIME', help, dashed: /^-\d/ },
  parse: (given, name) => {
    const at = parseWhen(given, Date.now());
    if (at !== undefined) return at;
    const examples = '"2026-11-28 10:00", yesterday, "5 min ago", -2h or @1764324000';
    throw usage(`${name}: expected a time such as ${examples}, got "${given}".`);
  },
});

export const options = {
  path: text('FILE', 'the file of the history; by default history.db in the state directory'),
  config: text('FILE', 'read the history of the daemon with this configuration'),
  since: when('only events from this time on, written as for journalctl: "2026-11-28 10:00", yesterday, "5 min ago"'),
  until: when('only events up to this time'),
  name: several(text('GLOB', 'only events about processes of this name')),
  container: several(text('GLOB', 'only events in this container: its name, or the beginning of its id')),
  pod: several(text('GLOB', 'only events in this pod: NAME or NAMESPACE/NAME')),
  unit: several(text('GLOB', 'only events in this systemd unit')),
  kind: several(oneOf('KIND', 'only events of this kind, also of kinds that are not listed otherwise', entryKinds)),
  limit: byDefault('100', count('N', 'at most this many entries, the newest; of `stats`, the last or largest')),
  by: oneOf('BUCKET', 'of `stats`: one row for each day (the default), hour of the day, or workload', [
    'day',
    'hour',
    'workload',
  ]),
  markdown: flag('of `show`: write Markdown, for a ticket'),
  html: flag('of `show`: write one HTML page that loads no other file'),
};

export type HistoryContext = Context<typeof options>;
