/**
 * Compares the metrics of `oomscope run` with the counters of the kernel after 100 kills of every kind and scope, in
 * guests, and looks up each exemplar in the history.
 *
 *   npm run prove:metrics -- [--fresh] [--part PART]... [--write]
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricsRun } from '../../test/lab/metrics-run.ts';
import { NODE } from '../../test/lab/runs.ts';
import { table } from '../bench/report.ts';
import { bootGuest, lastLines } from '../lab/guest.ts';
import { prove } from './proof.ts';

const KILLS = 100;
/** What this machine can make; a guest makes the rest, with few kills, because it is slow. */
const HERE = { kills: KILLS, scenarios: ['cgroup', 'ancestor', 'trigger', 'thread', 'shared', 'dying'] };
const GUEST = {
  kills: 0,
  scenarios: ['cgroup', 'oom.group', 'shared', 'dying', 'cpuset', 'mempolicy', 'system', 'SysRq-f'],
};
const ROOT = join(import.meta.dirname, '../..');
const PROMTOOL = join(ROOT, 'build/test-packages/usr/bin/promtool');
const PROGRAM = [...NODE, 'test/lab/metrics-run.ts'];

interface Figures {
  /** Kills by kind, and by what ran out, as the metrics have them. */
  kinds: Record<string, number>;
  scopes: Record<string, number>;
  /** What the kernel counted meanwhile: oom_kill of /proc/vmstat. */
  kernel: number;
  exemplars: number;
  checked: string;
}

async function inGuest(kernel: string): Promise<Figures> {
  const shape = { memoryMib: 768, numa: 2, swap: 'zram', swapMib: 64, limitSeconds: 900 } as const;
  const command = [...PROGRAM, String(GUEST.kills), ...GUEST.scenarios];
  const result = await bootGuest({ architecture: 'x64', kernel, cgroup: 'v2', ...shape, command });
  const line = result.stdout.split('\n').find((each) => each.startsWith('{"kernel"'));
  if (line === undefined) throw new Error(`no result: ${lastLines(result)}\n${result.stderr}`);
  return judge(JSON.parse(line) as MetricsRun, ['already_dying', 'group_member', 'killed', 'shared_memory'], 1);
}

async function here(): Promise<Figures> {
  const [, ...options] = PROGRAM;
  const { status, stdout } = spawnSync(process.execPath, [...options, String(HERE.kills), ...HERE.scenarios], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = stdout.split('\n').find((each) => each.startsWith('{"kernel"'));
  if (line === undefined) throw new Error(`no result, exit status ${status}`);
  return judge(JSON.parse(line) as MetricsRun, ['already_dying', 'killed', 'shared_memory'], KILLS);
}

/** @throws Error that says where metrics, kernel and history differ */
function judge(
  { kernel, before, after, openmetrics, history, said }: MetricsRun,
  expected: string[],
  least: number,
): Figures {
  const kinds = sums(after, 'kind');
  const wrong: string[] = [];
  const same = (what: string, got: unknown, expected: unknown) => {
    if (JSON.stringify(got) !== JSON.stringify(expected))
      wrong.push(`${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
  };
  // Other work on this machine kills, too: both counts of one scrape are of the same moment.
  const earlier = sums(before, 'kind');
  const since = (kind: string) => (kinds[kind] ?? 0) - (earlier[kind] ?? 0);
  const [first, last] = [before, after].map((text) => numberIn(text, 'oomscope_kernel_oom_kills_total')) as [
    number,
    number,
  ];
  const counted = last - first;
  // The kernel counts a victim and each member of its group, neither marks nor processes that share the memory of a victim.
  same('killed and group_member', since('killed') + since('group_member'), counted);
  same('the kernel’s count', first >= kernel.before && last >= first && kernel.after >= kernel.before, true);
  same(
    'kinds',
    Object.keys(kinds)
      .filter((kind) => kinds[kind])
      .sort(),
    expected,
  );
  same('at least', counted >= least, true);
  for (const [kind, count] of Object.entries(kinds))
    same(`${kind} in the history`, history.filter((kill) => kill.kind === kind).length, count);
  const lost = after
    .split('\n')
    .filter((each) => each.startsWith('oomscope_events_lost_total') && !each.endsWith(' 0'));
  same('lost', lost, []);
  const known = new Set(history.map(({ id }) => id));
  const ids = [...openmetrics.matchAll(/^oomscope_oom_kills_total.*event_id="([^"]+)"/gm)].map(
    ([, id]) => id as string,
  );
  same(
    'exemplars that the history does not have',
    ids.filter((id) => !known.has(id)),
    [],
  );
  if (ids.length === 0) wrong.push('no exemplar');
  if (wrong.length > 0) throw new Error(`${wrong.join('\n')}\n${said.slice(-1000)}`);
  return { kinds, scopes: sums(after, 'scope'), kernel: counted, exemplars: ids.length, checked: check(after) };
}

/** Judges the text by promtool, if it is there. */
function check(text: string): string {
  if (!existsSync(PROMTOOL)) return 'promtool is missing';
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (status !== 0) throw new Error(`promtool check metrics: ${stdout}${stderr}`);
  return 'clean';
}

function sums(text: string, label: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [, value = '', count] of text.matchAll(
    new RegExp(`^oomscope_oom_kills_total\\{.*?${label}="([^"]*)".*\\} (\\d+)$`, 'gm'),
  ))
    found[value] = (found[value] ?? 0) + Number(count);
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const numberIn = (text: string, name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
const inWords = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

await prove<Figures>({
  name: 'metrics',
  claim: `After ${KILLS} kills, the counters equal those of the kernel and the entries of the history, and every exemplar is the id of an event in the history. Guests make the kinds and scopes that this machine cannot make.`,
  parts: [
    { name: 'this machine', run: here },
    ...['6.12', '7.2'].map((kernel) => ({ name: `Linux ${kernel}`, run: () => inGuest(kernel) })),
  ],
  render: (parts) =>
    table([
      ['', 'kills by the kernel', 'by kind', 'by scope', 'exemplars found', 'promtool'],
      ...parts.map(({ name, figures }) =>
        figures
          ? [
              name,
              String(figures.kernel),
              inWords(figures.kinds),
              inWords(figures.scopes),
              String(figures.exemplars),
              figures.checked,
            ]
          : [name, '-', '-', '-', '-', '-'],
      ),
    ]),
});
