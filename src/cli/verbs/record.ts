import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../../config/config.ts';
import { readGuard } from '../../config/guard.ts';
import type { Rule } from '../../guard/rules/rule.ts';
import { Sampler } from '../../guard/senses/sampler.ts';
import type { Sample, SampledProcess } from '../../model/sample.ts';
import { Output } from '../../render/output.ts';
import { Exit } from '../verb/exit.ts';
import { count, duration, flag, optionsHelp, parseOptions, text, usage } from '../verb/options.ts';

const options = {
  duration: duration('TIME', 'stop after this time'),
  interval: duration('TIME', 'from one sample to the next (100ms)'),
  processes: count('N', 'keep the N largest of each sample (64)'),
  on: { ...text('PLACE', 'cgroups by path, with * and ?, or containers; may be repeated'), multiple: true as const },
  config: text('FILE', 'the cgroups that the rules of this file are about'),
  cmdline: flag('with the command lines of processes, which may hold secrets'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope record [options] > FILE

Writes what the guard's policy is given to decide on, as JSON Lines: levels of memory and swap, pressure, cgroups and the
largest processes. \`oomscope replay\` runs rules over it.

${optionsHelp(options)}

Examples:
  oomscope record --duration 10m > evening.jsonl
  oomscope record --on '/app/*' --interval 50ms | zstd > app.jsonl.zst

Exit codes: 0 ended as asked, 2 bad option or configuration.
`;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('record', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.config !== undefined && given.on.length > 0)
    throw usage('--on and --config: expected one of them, got both.');
  const rules = await rulesOf(given.config, given.on);
  const stop = new AbortController();
  const end = () => stop.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  const output = new Output({ onClosed: end, onDropped: (dropped) => JSON.stringify({ dropped }) });
  const timer = given.duration === undefined ? undefined : setTimeout(end, given.duration);
  using sampler = new Sampler({ rules, cmdline: given.cmdline ?? false });
  const interval = given.interval ?? 100;
  for (let due = performance.now(); !stop.signal.aborted; ) {
    output.write(JSON.stringify(trimmed(sampler.whole(), given.processes ?? 64)), 'sample');
    due = Math.max(due + interval, performance.now());
    await sleep(Math.max(0, due - performance.now()), undefined, { signal: stop.signal }).catch(() => {});
  }
  clearTimeout(timer);
  await output.end();
  return Exit.ok;
}

async function rulesOf(config: string | undefined, on: string[]): Promise<Rule[]> {
  if (config !== undefined) return (await readConfig(config)).guard?.policy.rules ?? [];
  if (on.length === 0) return [];
  const { guard, faults } = readGuard({ rule: [{ name: 'record', on, when: ['available < 1 %'] }] });
  if (guard) return guard.policy.rules;
  throw usage(`--on: ${faults[0]?.message}`);
}

/** The largest, and whoever is dying; never kernel threads. */
function trimmed(sample: Sample, most: number): Sample {
  const size = ({ rss_bytes, swap_bytes }: SampledProcess) => rss_bytes + swap_bytes;
  const processes = (sample.processes ?? [])
    .filter(({ kernel_thread }) => !kernel_thread)
    .sort((a, b) => size(b) - size(a))
    .filter(({ dying }, i) => dying || i < most);
  return { ...sample, processes };
}
