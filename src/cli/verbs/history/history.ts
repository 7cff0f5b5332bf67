import { defineVerb } from '../../verb/define-verb.ts';
import { usage } from '../../verb/options.ts';
import { type HistoryContext, options } from './options.ts';

export const verb = defineVerb({
  description: [
    'Lists what `oomscope run` has kept: OOM kills, episodes of memory pressure, decisions of the guard, ends of containers, and losses. The daemon keeps a history if its configuration has a [history] section.',
    'What the kernel killed while oomscope did not run is read from the kernel’s log at its next start, and marked "(log)". The verb only reads the file, also while the daemon writes to it.',
  ],
  words: { name: 'ACTION', most: 2, about: 'nothing, to list entries; `show NUMBER` or `show ID`; `stats`' },
  sections: [
    {
      title: 'Actions',
      rows: [
        ['show NUMBER', 'show the whole story of one entry: before, during, after, the kernel’s report, advice'],
        ['stats', 'count kills and episodes by day, by hour of the day, or by workload'],
      ],
    },
  ],
  options,
  format: 'document',
  json: 'write JSON Lines: the events themselves, as `oomscope run` wrote them; of `stats`, one object for each row',
  examples: [
    { command: 'sudo oomscope history --since yesterday', about: 'List what happened since yesterday, 00:00.' },
    { command: 'sudo oomscope history show 1234', about: 'Show the whole story of entry 1234.' },
    { command: 'sudo oomscope history show 1234 --html > kill.html', about: 'Make a page of it for a postmortem.' },
    { command: 'sudo oomscope history stats --by workload --since "30 days ago"', about: 'Count kills by workload.' },
    {
      command: 'sudo oomscope history --json --kind killed | \\\n  jq -r .victim.comm | sort | uniq -c',
      about: 'Count the victims of the kernel.',
    },
  ],
  exits: {
    ok: true,
    failed: 'no entry matches',
    usage: true,
    badInput: 'the file is no history, is damaged, or was written by a newer oomscope',
    noInput: 'there is no history',
    noPermission: true,
  },
  run,
});

async function run(context: HistoryContext): Promise<number> {
  const { words, given, asText } = context;
  const [action, reference] = words;
  if (action !== undefined && action !== 'show' && action !== 'stats')
    throw usage(`Expected \`show NUMBER\`, \`stats\` or nothing, got "${action}".`);
  if (action === 'show' && reference === undefined)
    throw usage('Expected the number or id of an entry after `show`, got none.');
  if (action === 'stats' && reference !== undefined)
    throw usage(`Expected nothing after \`stats\`, got "${reference}".`);
  if (action !== 'show' && (given.markdown || given.html))
    throw usage('Expected --markdown and --html with `show` only.');
  if (action !== 'stats' && given.by !== undefined) throw usage('Expected --by with `stats` only.');
  if (given.since !== undefined && given.until !== undefined && given.since >= given.until)
    throw usage('Expected a time after --since for --until, got one that is not after it.');
  if ([!asText, given.markdown, given.html].filter(Boolean).length > 1)
    throw usage('Expected one of --json, --markdown, --html, got several.');
  const { answer } = await import('./answer.ts');
  return answer(context, action, reference ?? '');
}
