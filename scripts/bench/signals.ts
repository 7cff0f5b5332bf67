/**
 * Measures the cost of watching who kills: a process sends 100,000 signals a second that kill no process, with and
 * without the hooks, in turns. The first figure is the kernel's account of the time in the hooks
 * (kernel.bpf_stats_enabled), which includes some 20 ns a run for the account itself and is taken in rounds of their own.
 * The second is the CPU time of the sender for one signal, which includes everything, but varies with other work of the
 * machine.
 *
 *   npm run bench:signals -- [--rounds N] [--seconds S] [--rate N] [--json FILE]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    rate: { type: 'string', default: '100000' },
    json: { type: 'string' },
  },
});
const GOAL = 0.01;
const STATS = '/proc/sys/kernel/bpf_stats_enabled';
/** What the receiver does with the signal: see scripts/signal-rate.c. */
const kinds = ['handled', 'ignored', 'harmless', 'blocked'] as const;

interface Taken {
  signals: number;
  seconds: number;
  /** Nanoseconds of the sender's CPU time for one signal. */
  cpuNs: number;
  /** Nanoseconds in the hooks, and runs of them. */
  hooks: { ns: number; runs: number };
}

const statsBefore = readFileSync(STATS, 'utf8');
const where = circumstances();
const taken = new Map<string, Taken[]>();
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const kind of kinds) {
      const turns = [`${kind} without`, `${kind} with`, `${kind} account`];
      for (const turn of round % 2 === 0 ? turns : turns.toReversed()) {
        writeFileSync(STATS, turn.endsWith('account') ? '1' : '0');
        taken.set(turn, [...(taken.get(turn) ?? []), await measure(kind, !turn.endsWith('without'))]);
      }
    }
    say(`round ${round + 1} of ${options.rounds}`);
  }
} finally {
  writeFileSync(STATS, statsBefore);
}
where.load_after = circumstances().load_before;
report();

async function measure(kind: string, isWatched: boolean): Promise<Taken> {
  const watcher = isWatched
    ? new Child([process.execPath, `${import.meta.dirname}/signals-watcher.ts`, 'sent'])
    : undefined;
  await watcher?.line('ready');
  await sleep(200);
  const before = watcher ? hookTime(watcher.pid) : { ns: 0, runs: 0 };
  const sender = new Child([built('signal-rate'), kind, options.rate, options.seconds]);
  const work = JSON.parse(await sender.line('{', 60_000)) as { signals: number; seconds: number; cpu_seconds: number };
  const after = watcher ? hookTime(watcher.pid) : before;
  await sender.end();
  await watcher?.end();
  const { signals, seconds, cpu_seconds } = work;
  return {
    ...{ signals, seconds, cpuNs: (cpu_seconds * 1e9) / signals },
    hooks: { ns: after.ns - before.ns, runs: after.runs - before.runs },
  };
}

/** Sums over the BPF programs of which a process has a descriptor. */
function hookTime(pid: number): { ns: number; runs: number } {
  const programs = readdirSync(`/proc/${pid}/fdinfo`)
    .map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))
    .filter((info) => /^prog_id:/m.test(info));
  const sum = (what: RegExp) => programs.reduce((total, info) => total + Number(what.exec(info)?.[1] ?? 0), 0);
  return { ns: sum(/^run_time_ns:\s+(\d+)/m), runs: sum(/^run_cnt:\s+(\d+)/m) };
}

function report(): void {
  const median = (values: number[]) => summarize(values)?.p50 ?? 0;
  const rows = kinds.map((kind) => {
    const of = (turn: string) => taken.get(`${kind} ${turn}`) ?? [];
    // On a busy machine the sender does not reach the rate.
    const share = median(of('account').map(({ hooks, signals }) => (hooks.ns / signals / 1e9) * Number(options.rate)));
    return {
      kind,
      rate: median(of('account').map(({ signals, seconds }) => signals / seconds)),
      share,
      perRun: median(of('account').map(({ hooks }) => hooks.ns / Math.max(1, hooks.runs))),
      without: median(of('without').map(({ cpuNs }) => cpuNs)),
      with: median(of('with').map(({ cpuNs }) => cpuNs)),
    };
  });
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  process.stdout.write(
    `${inWords(where)}\n\n${table([
      ['the receiver', 'signals/s', 'of a CPU, at the rate', 'ns a run', 'sender ns/signal, without', 'with'],
      ...rows.map((row) => [
        row.kind,
        row.rate.toFixed(0),
        percent(row.share),
        row.perRun.toFixed(0),
        row.without.toFixed(0),
        row.with.toFixed(0),
      ]),
    ])}\n`,
  );
  const worst = Math.max(...rows.map(({ share }) => share));
  process.stdout.write(
    `Goal: under ${percent(GOAL)} of one CPU at ${options.rate} signals/s. Worst: ${percent(worst)}: ${worst < GOAL ? 'met' : 'NOT met'}.\n`,
  );
  writeJson(options.json, { benchmark: 'signals', ...where, rows, rounds: Object.fromEntries(taken) });
}
