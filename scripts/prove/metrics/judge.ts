/** Compares the metrics of a run with the counts of the kernel and with its history. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricsRun } from '../../../test/lab/metrics-run.ts';

const PROMTOOL = join(import.meta.dirname, '../../../build/test-packages/usr/bin/promtool');

export interface Figures {
  /** Kills by kind, and by what ran out, as the metrics have them. */
  kinds: Record<string, number>;
  scopes: Record<string, number>;
  /** What the kernel counted meanwhile: oom_kill of /proc/vmstat. */
  kernel: number;
  exemplars: number;
  checked: string;
  /** The alerts that Alertmanager told first as firing and then as resolved. */
  alerts?: string[];
}

/** Collects differences. */
export class Differences {
  readonly #found: string[] = [];

  same(what: string, got: unknown, expected: unknown): void {
    if (JSON.stringify(got) !== JSON.stringify(expected))
      this.#found.push(`${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
  }

  /** @throws Error with all differences */
  end(said: string): void {
    if (this.#found.length > 0) throw new Error(`${this.#found.join('\n')}\n${said.slice(-1000)}`);
  }
}

/** @param kinds the kinds that must be there. @throws Error that says where metrics, kernel and history differ */
export function judge(run: MetricsRun, kinds: readonly string[], least: number): Figures {
  const { kernel, before, after, openmetrics, history, said } = run;
  const counts = sums(after, 'kind');
  const differences = new Differences();
  // Other work on this machine kills, too: both counts of one scrape are of the same moment.
  const earlier = sums(before, 'kind');
  const since = (kind: string) => (counts[kind] ?? 0) - (earlier[kind] ?? 0);
  const [first, last] = [kernelKills(before), kernelKills(after)];
  const counted = last - first;
  const killed = since('killed') + since('group_member');
  differences.same('killed and group_member', killed + countedTwice(run), counted);
  const rose = first >= kernel.before && last >= first && kernel.after >= kernel.before;
  differences.same('the kernel’s count rises', rose, true);
  const found = Object.keys(counts).filter((kind) => counts[kind]);
  differences.same('kinds', found.sort(), kinds);
  differences.same(`at least ${least}`, counted >= least, true);
  for (const [kind, count] of Object.entries(counts))
    differences.same(`${kind} in the history`, history.filter((kill) => kill.kind === kind).length, count);
  const lost = after
    .split('\n')
    .filter((line) => line.startsWith('oomscope_events_lost_total') && !line.endsWith(' 0'));
  differences.same('lost', lost, []);
  const ids = [...openmetrics.matchAll(/^oomscope_oom_kills_total.*event_id="([^"]+)"/gm)].map(([, id]) => id ?? '');
  const known = new Set(history.map(({ id }) => id));
  differences.same(
    'exemplars without an event',
    ids.filter((id) => !known.has(id)),
    [],
  );
  differences.same('exemplars', ids.length > 0, true);
  differences.end(said);
  return { kinds: counts, scopes: sums(after, 'scope'), kernel: counted, exemplars: ids.length, checked: check(after) };
}

/**
 * The kernel counts a victim and each member of its group, neither marks nor processes that share the memory of a victim.
 * It counts the victim of a group kill twice (mm/oom_kill.c: oom_kill_memcg_member() does not skip the victim).
 */
export const countedTwice = ({ history }: MetricsRun) =>
  history.filter(({ kind, ofGroup }) => kind === 'killed' && ofGroup).length;

/** The kills that the kernel has counted since boot, by the text of a scrape. */
export const kernelKills = (text: string) => Number(/^oomscope_kernel_oom_kills_total (\S+)$/m.exec(text)?.[1]);

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
