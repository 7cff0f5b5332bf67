import type { PolicyOptions } from '../../guard/rules/rule.ts';
import type { Sample, SampledProcess } from '../../model/sample.ts';
import { type Context, defineVerb } from '../verb/define-verb.ts';
import { Exit } from '../verb/exit.ts';
import { byDefault, count, duration, flag, several, text, usage } from '../verb/options.ts';
import { RunUntil } from '../verb/run-until.ts';

const options = {
  cgroup: several(
    text('GLOB', 'also record these memory cgroups; "containers" stands for the cgroup of every container'),
  ),
  config: text('FILE', 'record the cgroups that the rules in this file select; cannot be combined with --cgroup'),
  interval: byDefault('100ms', duration('TIME', 'time between two samples')),
  processes: byDefault('64', count('N', 'keep the N largest processes of each sample')),
  cmdline: flag('record the command lines of processes, which may contain secrets'),
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
};

export const verb = defineVerb({
  description: [
    "Records at an interval the values that the guard's rules read: available memory and swap, pressure, cgroups and the largest processes. `oomscope replay` runs rules over the recording.",
  ],
  options,
  format: 'records',
  renamed: { on: 'cgroup' },
  examples: [
    { command: 'oomscope record --duration 10m > evening.jsonl', about: 'Record ten minutes.' },
    {
      command: "oomscope record --cgroup '/app/*' --interval 50ms | zstd > app.jsonl.zst",
      about: 'Record some cgroups at a short interval, and compress the recording.',
    },
    { command: 'oomscope record --interval 1s', about: 'Show the samples on the terminal.' },
  ],
  exits: { ok: true, usage: true, noInput: 'the file of --config is missing' },
  run,
});

async function run({ given, asText }: Context<typeof options>): Promise<number> {
  if (given.config !== undefined && given.cgroup.length > 0)
    throw usage('--cgroup and --config: expected one of them, got both.');
  const { rules, protect } = await policyOf(given.config, given.cgroup);
  const [{ Sampler }, { Output }, { sampleLine }] = await Promise.all([
    import('../../guard/senses/sampler.ts'),
    import('../../render/output.ts'),
    import('../../render/sample-line.ts'),
  ]);
  const ending = new RunUntil();
  ending.bySignals();
  const output = new Output({ onClosed: ending.now, onDropped: (dropped) => JSON.stringify({ dropped }) });
  using sampler = new Sampler({ rules, protect, cmdline: given.cmdline ?? false, complete: true });
  const write = () => {
    const sample = trimmed(sampler.whole(), given.processes ?? 64);
    output.write(asText ? sampleLine(sample) : JSON.stringify(sample), 'sample');
  };
  void repeat(write, given.interval ?? 100, ending);
  await ending.comes(given.duration);
  await output.end();
  ending.throwFailure();
  return Exit.ok;
}

/** Calls `act` at an interval. If a call takes longer than the interval, the next call follows at once. */
async function repeat(act: () => void, intervalMs: number, ending: RunUntil): Promise<void> {
  const { setTimeout: sleep } = await import('node:timers/promises');
  for (let due = performance.now(); !ending.signal.aborted; ) {
    try {
      act();
    } catch (error) {
      return ending.fail(error);
    }
    due = Math.max(due + intervalMs, performance.now());
    await sleep(Math.max(0, due - performance.now()), undefined, { signal: ending.signal }).catch(() => {});
  }
}

type Policy = Pick<PolicyOptions, 'rules' | 'protect'>;
const nothing: Policy = { rules: [], protect: [] };

async function policyOf(config: string | undefined, cgroups: string[]): Promise<Policy> {
  if (config !== undefined) {
    const { readConfig } = await import('../../config/config.ts');
    return (await readConfig(config)).guard?.policy ?? nothing;
  }
  if (cgroups.length === 0) return nothing;
  const { readGuard } = await import('../../config/guard.ts');
  const { guard, faults } = readGuard({ rule: [{ name: 'record', on: cgroups, when: ['available < 1 %'] }] });
  if (guard) return { rules: guard.policy.rules, protect: [] };
  throw usage(`--cgroup: ${faults[0]?.message}`);
}

/** Keeps only the `most` largest processes and every process that is exiting. Kernel threads are left out. */
function trimmed(sample: Sample, most: number): Sample {
  const size = ({ rss_bytes, swap_bytes }: SampledProcess) => rss_bytes + swap_bytes;
  const processes = (sample.processes ?? [])
    .filter(({ kernel_thread }) => !kernel_thread)
    .sort((a, b) => size(b) - size(a))
    .filter(({ dying }, i) => dying || i < most)
    .map(({ environ, stack_start, ...recorded }) => recorded); // secrets, and an address that the kernel hides from others
  return { ...sample, processes };
}
