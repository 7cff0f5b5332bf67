import type { ScoreSample } from '../../../model/score.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { usage } from '../../verb/options.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';
import { options, wantedBy } from './options.ts';

export const verb = defineVerb({
  description: [
    "Lists the processes that would be killed next, in the kernel's own order: by resident memory, swap, page tables and oom_score_adj, as a share of the whole memory (RAM and swap, or the limit of --at-limit). Changes nothing. Without privileges the verb reads /proc.",
  ],
  options,
  format: 'document',
  json: 'write JSON: one object for each sample',
  renamed: { domain: 'cgroup' },
  sections: [
    {
      title: 'Columns',
      rows: [
        ['RANK', "place in the kernel's order"],
        ['ADJ', 'oom_score_adj'],
        ['SCORE', 'the value of /proc/PID/oom_score; a process with no memory and oom_score_adj 0 has 666'],
        ['MEM‰', 'memory of the process, in thousandths of the whole memory'],
        ['BAD‰', 'MEM‰ plus oom_score_adj'],
        ['FULL IN', 'time until all memory is gone if the process keeps growing'],
      ],
    },
    {
      text: 'A row is red if FULL IN is less than a minute. It is yellow if FULL IN is less than ten minutes, or if the process holds half of the memory.',
    },
    {
      title: 'Keys of the live view',
      rows: [
        ['b m w g a', 'sort by badness, memory, swap, growth, adj'],
        ['s', 'show or hide processes that are never killed'],
        ['q', 'quit'],
      ],
    },
  ],
  examples: [
    { command: 'oomscope scores', about: 'List the ten processes that the kernel would kill first.' },
    { command: 'oomscope scores --watch --sort growth', about: 'Watch which processes grow.' },
    {
      command: 'oomscope scores --cgroup /system.slice/ssh.service --at-limit',
      about: 'Rank the processes of a service for an OOM at its own limit.',
    },
    { command: "oomscope scores --json --top 1 | jq '.scores[0].comm'", about: 'Print the name of the next victim.' },
  ],
  exits: { ok: true, usage: true },
  run,
});

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  for (const name of ['interval', 'duration'] as const) {
    if (given[name] !== undefined && !given.watch) throw usage(`--${name}: expected --watch with it.`);
  }
  if (given.interval !== undefined && given.interval < 50) throw usage('--interval: expected at least 50ms.');
  const wanted = wantedBy(given);
  if (given.watch) {
    const { watchScores } = await import('./watch.ts');
    return watchScores(wanted, given, asText, paint);
  }
  const [{ ScoreSampler }, { scoreLines, summary }] = await Promise.all([
    import('../../../scores/score-sampler.ts'),
    import('./view.ts'),
  ]);
  using scores = new ScoreSampler(wanted);
  const sample: ScoreSample = scores.sample();
  const text = () => [summary(sample), ...scoreLines(sample, terminalColumns(process.stdout, 200), paint)].join('\n');
  process.stdout.write(`${asText ? text() : JSON.stringify(sample)}\n`);
  return Exit.ok;
}
