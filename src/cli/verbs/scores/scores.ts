import { OomscopeError } from '../../../model/error.ts';
import type { Score, ScoreSample } from '../../../model/score.ts';
import type { Paint } from '../../../render/terminal.ts';
import { type ScoreSort, Scores, type ScoresOptions } from '../../../scores/scores.ts';
import { formatBytes } from '../../../text/format.ts';
import { cgroupMatch, globMatch } from '../../../text/glob.ts';
import { printable } from '../../../text/printable.ts';
import { paintFor } from '../../verb/colour.ts';
import { Exit } from '../../verb/exit.ts';
import { count, duration, flag, oneOf, optionsHelp, parseOptions, text, usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { Screen } from '../../verb/screen.ts';
import { scoreLines } from './view.ts';

const sorts: readonly ScoreSort[] = ['badness', 'memory', 'swap', 'growth', 'adj'];

const options = {
  top: count('N', 'how many to list (10; with --watch as many as fit)'),
  sort: oneOf('BY', `${sorts.join(', ')} (badness: the order in which the kernel would kill)`, sorts),
  domain: text('CGROUP', 'whom the limit of this cgroup would kill, instead of the whole system running out'),
  comm: { ...text('GLOB', 'only processes of this name; may be repeated'), multiple: true as const },
  cgroup: { ...text('GLOB', 'only processes in this cgroup or below it; may be repeated'), multiple: true as const },
  threshold: count('PERMILLE', 'only those that hold at least so many thousandths of the memory'),
  spared: flag('list those too that the kernel never kills'),
  watch: flag('look again and again: a live view on a terminal, else JSON Lines'),
  interval: duration('TIME', 'how often with --watch (1s)'),
  duration: duration('TIME', 'with --watch: end after this time'),
  json: flag('JSON: one object a look'),
  proc: flag('read /proc, even where a BPF iterator would be faster'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope scores [options]

Says who would be killed next, and how close it is: the processes in the kernel's own order, by RSS, swap and page tables
and oom_score_adj, weighed against what would run out. Changes nothing. Without privileges it reads /proc.

${optionsHelp(options)}

Columns: RANK the kernel's order; ADJ oom_score_adj; SCORE /proc/PID/oom_score, where an idle process has 666; MEM‰ what it
holds, in thousandths of what would run out; BAD‰ the same with the adjustment; FULL IN how long until all is gone if it
grows on like this. Red: less than a minute; yellow: ten minutes, or half of the memory.

Keys of the live view: b m w g a sort by badness, memory, swap, growth, adj; s shows the spared; q ends.

Examples:
  oomscope scores
  oomscope scores --watch --sort growth
  oomscope scores --domain /system.slice/postgresql.service
  oomscope scores --json --top 1 | jq '.scores[0].comm'

Exit codes: 0 ended as asked, 2 bad option.
`;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('scores', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  for (const name of ['interval', 'duration'] as const) {
    if (given[name] !== undefined && !given.watch) throw usage(`--${name}: expected --watch with it.`);
  }
  if (given.interval !== undefined && given.interval < 50) throw usage('--interval: expected at least 50ms.');
  const wanted: ScoresOptions & { top: number; sort: ScoreSort; spared: boolean } = {
    top: given.top ?? 10,
    sort: given.sort ?? 'badness',
    spared: given.spared ?? false,
    ...(given.domain !== undefined && { domain: given.domain }),
    ...(given.proc && { backend: 'proc' as const }),
    filter: (score) =>
      score.memory_per_mille >= (given.threshold ?? 0) &&
      (given.comm.length === 0 || given.comm.some((glob) => globMatch(glob, score.comm))) &&
      (given.cgroup.length === 0 || given.cgroup.some((glob) => within(glob, score))),
  };
  const paint = paintFor(given['no-color']);
  if (given.watch) {
    const live = !given.json && Screen.possible();
    const times = { intervalMs: given.interval ?? 1000, durationMs: given.duration };
    return live ? watchLive(wanted, given.top, times, paint) : watchLines(wanted, times);
  }
  using scores = new Scores(wanted);
  const sample = scores.sample();
  if (given.json) process.stdout.write(`${JSON.stringify(sample)}\n`);
  else {
    const width = process.stdout.columns ?? 200;
    process.stdout.write(`${[summary(sample), ...scoreLines(sample, width, paint)].join('\n')}\n`);
  }
  return Exit.ok;
}

/** The cgroup of a filter takes in what is below it. */
function within(glob: string, score: Score): boolean {
  const { cgroup } = score;
  return cgroup !== null && cgroupMatch(glob, cgroup);
}

function summary({ domain, domain_bytes, available_bytes, candidates }: ScoreSample): string {
  const what = domain.scope === 'system' ? 'RAM and swap' : `limit of ${printable(domain.path)}`;
  const left = available_bytes === null ? '' : `, ${formatBytes(available_bytes)} left`;
  return `${what}: ${formatBytes(domain_bytes)}${left}; ${candidates} processes could be killed`;
}

interface Times {
  intervalMs: number;
  durationMs: number | undefined;
}

/** Calls `look` now and then, until it is time or a signal comes. */
async function repeat({ intervalMs, durationMs }: Times, look: () => void, ending: RunUntil): Promise<void> {
  ending.bySignals('SIGINT', 'SIGTERM');
  const each = () => {
    try {
      look();
    } catch (error) {
      ending.fail(error);
    }
  };
  each();
  const timer = setInterval(each, intervalMs);
  await ending.comes(durationMs);
  clearInterval(timer);
  ending.throwFailure();
}

async function watchLines(wanted: ScoresOptions, times: Times): Promise<number> {
  using scores = new Scores(wanted);
  const ending = new RunUntil();
  process.stdout.on('error', ending.now); // whoever read is gone
  await repeat(times, () => void process.stdout.write(`${JSON.stringify(scores.sample())}\n`), ending);
  return Exit.ok;
}

async function watchLive(
  wanted: ScoresOptions & { top: number; sort: ScoreSort; spared: boolean },
  top: number | undefined,
  times: Times,
  paint: Paint,
): Promise<number> {
  using scores = new Scores(wanted);
  const ending = new RunUntil();
  let before = new Map<string, Score>();
  const look = () => {
    wanted.top = top ?? Math.max(1, screen.rows - 3);
    let sample: ScoreSample;
    try {
      sample = scores.sample();
    } catch (error) {
      if (!(error instanceof OomscopeError)) throw error;
      screen.draw([error.message]); // the cgroup is gone: it may come back
      return;
    }
    const keys = paint('dim', `sorted by ${wanted.sort}   b m w g a sort   s spared   q quit`);
    screen.draw([summary(sample), ...scoreLines(sample, screen.columns, paint, before), '', keys]);
    before = new Map(sample.scores.map((score) => [`${score.pid}:${score.start_ticks}`, score]));
  };
  const onKey = (key: string) => {
    if (key === 'q' || key === 'ctrl-c' || key === 'escape') ending.now();
    const sort = ({ b: 'badness', m: 'memory', w: 'swap', g: 'growth', a: 'adj' } as const)[key];
    if (sort) wanted.sort = sort;
    if (key === 's') wanted.spared = !wanted.spared;
    look();
  };
  using screen = new Screen({ onKey, onResize: look });
  screen.open();
  await repeat(times, look, ending);
  return Exit.ok;
}
