/**
 * Counts how often oomscope and other programs would page about healthy workloads, and how soon about short ones.
 *
 *   npm run prove:pages -- [--psi-notify PROGRAM] [--minutes N] [--runs N] [--fresh] [--part PART]... [--write]
 *
 * --psi-notify: the path of the real psi-notify. Without it, its default rule is applied, as in guests.
 * --minutes: how long a healthy workload runs (4). --runs: how many draws of growth to a limit (100).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { NODE } from '../../test/lab/runs.ts';
import { table } from '../bench/report.ts';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { type Draw, drawGrowth, watchGrowth } from './pages/growth.ts';
import { type Watched, watchWorkload } from './pages/watch.ts';
import { workloads } from './pages/workloads.ts';
import { type Finished, proofOptions, prove } from './proof.ts';

const SHORT_SECONDS = 90;
const PAGERS = {
  fast: 'before (fast)',
  default: 'default',
  calm: 'calm',
  'psi-notify': 'psi-notify',
  'systemd-oomd': 'systemd-oomd',
  nohang: 'nohang',
};

const { values } = parseArgs({
  options: {
    ...proofOptions,
    'psi-notify': { type: 'string' },
    minutes: { type: 'string', default: '4' },
    runs: { type: 'string', default: '100' },
  },
});

type Figures = Watched | { draws: Draw[] };

function render(parts: readonly Finished<Figures>[]): string {
  const watched = parts.flatMap(({ figures }) => (figures && 'pages' in figures ? [figures] : []));
  const pagers = Object.keys(PAGERS);
  const heads = Object.values(PAGERS);
  const healthy = table([
    ['false pages a day', 'minutes', ...heads],
    ...watched
      .filter((one) => one.healthy)
      .map((one) => [one.name, (one.seconds / 60).toFixed(1), ...pagers.map((pager) => perDay(one, pager))]),
  ]);
  const short = table([
    ['seconds until a page', 'all stall at', 'kill at', ...heads],
    ...watched
      .filter((one) => !one.healthy)
      .map((one) => [one.name, at(one.stallsAt), at(one.killAt), ...pagers.map((pager) => delay(one, pager))]),
  ]);
  const about = watched
    .map(
      ({ name, what, real, fullMost, heldMost }) =>
        `${name}: ${what}. At most ${Math.round(100 * heldMost)} % of the limit could not be reclaimed, and avg10 of full was ${fullMost} %. psi-notify: the ${real ? 'program' : 'rule'}.`,
    )
    .join('\n');
  const draws = parts.flatMap(({ figures }) => (figures && 'draws' in figures ? figures.draws : []));
  return `${healthy}\n${short}\n+N: N pages in the first ${START_SECONDS} s, not multiplied. (<N): 95 % confidence without a page. Every time is counted from the start of the\nworkload. A page after the kill counts as none.\n\n${about}\n\n${growth(draws)}`;
}

const at = (seconds: number | null) => (seconds === null ? '-' : seconds.toFixed(1));

/** A page in this time is about the start of the workload, and is not multiplied. */
const START_SECONDS = 30;

/** Without a page in the time, fewer than three divided by the time are likely (95 %). */
function perDay({ pages, seconds }: Watched, pager: string): string {
  const all = pages[pager] ?? [];
  const count = all.filter((page) => page > START_SECONDS).length;
  const days = (seconds - START_SECONDS) / 86_400;
  const atStart = all.length > count ? ` +${all.length - count}` : '';
  return (count === 0 ? `0 (<${Math.ceil(3 / days)})` : String(Math.round(count / days))) + atStart;
}

function delay({ pages, killAt }: Watched, pager: string): string {
  const first = pages[pager]?.find((page) => killAt === null || page <= killAt);
  if (first === undefined) return 'none';
  return killAt === null ? first.toFixed(1) : `${first.toFixed(1)} (${(killAt - first).toFixed(1)} before)`;
}

const early = (draws: readonly Draw[]) =>
  draws.filter(({ leadSeconds }) => leadSeconds !== null && leadSeconds >= 1).length;

function growth(draws: readonly Draw[]): string {
  if (draws.length === 0) return '';
  const leads = draws.map(({ leadSeconds }) => leadSeconds ?? Number.NEGATIVE_INFINITY).sort((a, b) => a - b);
  const of = (share: number) => leads[Math.floor(share * (leads.length - 1))]?.toFixed(2);
  return `Growth to a limit, over 3 s: ${early(draws)} of ${draws.length} were critical at least 1 s before the kill (seconds before: least ${of(0)}, 5 % ${of(0.05)}, median ${of(0.5)}).\n`;
}

async function watchAll(runs: number): Promise<{ draws: Draw[] }> {
  const random = drawGrowth(1);
  const draws: Draw[] = [];
  const worker = async () => {
    while (draws.length + running < runs) {
      running++;
      const draw = await watchGrowth(random());
      running--;
      draws.push(draw);
      await sleep(200);
    }
  };
  let running = 0;
  await Promise.all([worker(), worker(), worker()]);
  if (early(draws) < 0.95 * draws.length) {
    throw new Error(`expected 95 % at least 1 s before the kill, got ${JSON.stringify(draws)}`);
  }
  return { draws };
}

async function watchOne(name: string): Promise<Watched> {
  const workload = workloads.find((one) => one.name === name);
  if (!workload) throw new Error(`expected a workload, got ${name}`);
  const seconds = workload.healthy ? 60 * Number(values.minutes) : SHORT_SECONDS;
  const found = workload.guest
    ? await inGuest(name, seconds)
    : await watchWorkload(workload, seconds, values['psi-notify']);
  const first = found.pages.default?.find((page) => !workload.healthy || page > START_SECONDS);
  if (workload.healthy && first !== undefined)
    throw new Error(`a false page after ${first} s: ${JSON.stringify(found)}`);
  if (!workload.healthy && first === undefined) throw new Error(`no page: ${JSON.stringify(found)}`);
  return found;
}

/** In a guest everything takes some ten times as long. */
async function inGuest(name: string, seconds: number): Promise<Watched> {
  const result = await bootGuest({
    ...({ kernel: '6.12', cgroup: 'v2', memoryMib: 768, swap: 'zram', swapMib: 256 } as const),
    limitSeconds: seconds + 170,
    command: [...NODE, 'scripts/prove/pages/in-guest.ts', name, String(seconds)],
  });
  const line = result.stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`no result: ${result.stderr}\n${lastLines(result)}`);
  return JSON.parse(line) as Watched;
}

await prove<Figures>(
  {
    name: 'pages',
    claim:
      'With the default profile, oomscope does not page about healthy workloads, and pages about short ones in time. The columns systemd-oomd and nohang are the default rules of these programs, applied to the PSI and usage that were recorded, as if the cgroup were the machine: not the programs themselves. psi-notify is the program of Debian, or its rule, as the lines below say.',
    parts: [
      ...workloads.map(({ name, healthy }) => ({
        name: healthy ? `${name} ${values.minutes}m` : name,
        run: () => watchOne(name),
      })),
      { name: `growth ${values.runs}`, run: () => watchAll(Number(values.runs)) },
    ],
    render,
  },
  values,
);
