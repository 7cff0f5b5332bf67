/**
 * The cgroup tree as text: first a line that says where memory is short, then the tree, sorted by shortage of memory.
 */
import { hotSpots, type Rest, type Row, rowsOf, type Shortage } from '../containers/hot-spots.ts';
import type { CgroupNode } from '../model/cgroup-tree.ts';
import { shortId } from '../model/container.ts';
import { formatBytes, formatPercent, formatRate } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import type { Paint } from './paint.ts';

export interface TreeViewOptions {
  columns: number;
  /** Show every cgroup. */
  all: boolean;
  /** True when there are several samples, so that growth is known. */
  watched: boolean;
  paint: Paint;
}

const WIDE = 110;
const BAR = 10;

export function renderTree(root: CgroupNode, options: TreeViewOptions): string[] {
  const { columns, watched, paint } = options;
  const wide = columns >= WIDE;
  const growth = watched && wide;
  const head = `${'USED'.padStart(9)} ${'LIMIT'.padStart(9)} ${wide ? 'FULL'.padEnd(BAR + 6) : ' FULL '} SOME KILLS${growth ? '       GROWTH' : ''}  CGROUP`;
  const lines = rowsOf(root, options.all).map((row) =>
    'rest' in row ? restLine(row, wide, growth) : line(row, options),
  );
  return [verdict(root, options), paint('dim', head), ...lines];
}

/** One line: which cgroup to look at, and why. */
function verdict(root: CgroupNode, { columns, paint, watched }: TreeViewOptions): string {
  const [first, ...others] = hotSpots(root);
  if (!first) return paint('green', cut(`No cgroup is short of memory${pastKills(root)}.`, columns));
  const reasons: string[] = [];
  if (first.full !== null && first.full >= 0.75) reasons.push(`${formatPercent(first.full)} of its limit`);
  if ((first.some_avg10 ?? 0) >= 2) reasons.push(`waits for memory ${Math.round(first.some_avg10 ?? 0)} % of the time`);
  if (first.oom_kills_seen > 0)
    reasons.push(`${first.oom_kills_seen} OOM ${plural('kill', first.oom_kills_seen)} just now`);
  else if ((first.oom_kills ?? 0) > 0 && first.path !== '/')
    reasons.push(`${first.oom_kills} OOM ${plural('kill', first.oom_kills ?? 0)}${watched ? ' before' : ''}`);
  const more = others.length === 0 ? '' : `; and ${others.length} more`;
  const why = `: ${reasons.join(', ')}${more}`;
  const name = nameOf(first) ?? printable(first.path);
  // A long path is cut at its start, because its end says more.
  const room = Math.max(8, columns - 'Look at '.length - why.length);
  const fitting = name.length <= room ? name : `…${name.slice(name.length - room + 1)}`;
  return `${paint('bold', 'Look at')} ${cut(`${fitting}${why}`, columns - 8)}`;
}

/** A clause about the OOM kills since boot that no existing cgroup has counted: their cgroups were removed, or they had none. */
function pastKills({ path, oom_kills }: CgroupNode): string {
  if (!oom_kills) return ', and none had an OOM kill';
  if (path !== '/') return '';
  return `; ${oom_kills} OOM ${plural('kill', oom_kills)} since boot, in none of these`;
}

const colours = [undefined, 'yellow', 'red'] as const;

function line({ node, rails, last, name, shortage }: Row, { columns, watched, paint }: TreeViewOptions): string {
  const wide = columns >= WIDE;
  const limit = node.limit_bytes === null ? '-' : formatBytes(node.limit_bytes);
  const full = node.full === null ? '' : formatPercent(node.full);
  const bar = wide ? ` ${barOf(node.full)}` : '';
  const some =
    node.some_avg10 === null
      ? ''
      : node.some_avg10 > 0 && node.some_avg10 < 1
        ? '<1 %'
        : `${Math.round(node.some_avg10)} %`;
  const kills = node.oom_kills_seen > 0 ? `+${node.oom_kills_seen}` : node.oom_kills ? String(node.oom_kills) : '';
  const speed = node.growth_bytes_per_second;
  const growth =
    watched && wide ? ` ${(speed === null || Math.abs(speed) < 65536 ? '' : formatRate(speed)).padStart(12)}` : '';
  const figures = `${formatBytes(node.working_set_bytes).padStart(9)} ${limit.padStart(9)} ${full.padStart(5)}${bar} ${some.padStart(5)} ${kills.padStart(5)}${growth}`;
  const branch = node.path === name ? '' : `${rails.map((goes) => (goes ? '│ ' : '  ')).join('')}${last ? '└ ' : '├ '}`;
  const room = columns - figures.length - 2 - branch.length;
  return `${tint(figures, shortage, paint)}  ${paint('dim', branch)}${labelled(node, name, room, shortage, paint)}`;
}

/** Names a cgroup: by its container or pod if known, otherwise by its path with each 64-digit id cut to 12 digits. */
function labelled(node: CgroupNode, name: string, room: number, shortage: Shortage, paint: Paint): string {
  const named = nameOf(node);
  const parts = printable(name).replace(/[0-9a-f]{64}/g, (id) => id.slice(0, 12));
  const text = node.path === '/' ? '/ the machine' : named === undefined ? parts : `${named}  ${about(node)}`;
  const fitted = cut(text, Math.max(8, room));
  const end = named === undefined ? fitted.length : Math.min(named.length, fitted.length);
  const strong = shortage > 0 ? tint(fitted.slice(0, end), shortage, paint) : paint('bold', fitted.slice(0, end));
  return `${named === undefined && shortage === 0 ? fitted.slice(0, end) : strong}${paint('dim', fitted.slice(end))}`;
}

function nameOf({ container, pod, path }: CgroupNode): string | undefined {
  if (container) {
    const own = path.slice(path.lastIndexOf('/')).includes(container.id);
    return own ? printable(container.name ?? shortId(container.id)) : undefined;
  }
  if (!pod || !path.slice(path.lastIndexOf('/')).includes('pod')) return undefined;
  return pod.name === null ? `pod ${pod.uid}` : `pod ${printable(pod.namespace ?? '?')}/${printable(pod.name)}`;
}

function about({ container }: CgroupNode): string {
  if (!container) return '';
  const service = container.compose_service === null ? '' : `service ${printable(container.compose_service)}, `;
  const image = container.image === null ? '' : `${printable(container.image)}, `;
  return `${service}${image}${container.runtime ?? 'container'}`;
}

function restLine({ rails, rest }: Rest, wide: boolean, growth: boolean): string {
  const width = 9 + 1 + 9 + 1 + 5 + (wide ? BAR + 1 : 0) + 1 + 5 + 1 + 5 + (growth ? 13 : 0);
  const branch = `${rails.map((goes) => (goes ? '│ ' : '  ')).join('')}└ `;
  return `${formatBytes(rest.usage_bytes).padStart(9)}${' '.repeat(width - 9)}  ${branch}… ${rest.count} more`;
}

function barOf(full: number | null): string {
  if (full === null) return ' '.repeat(BAR);
  const filled = Math.min(BAR, Math.round(full * BAR));
  return '█'.repeat(filled) + '·'.repeat(BAR - filled);
}

const tint = (text: string, shortage: Shortage, paint: Paint) => {
  const colour = colours[shortage];
  return colour === undefined ? text : paint(colour, text);
};
const plural = (word: string, count: number) => (count === 1 ? word : `${word}s`);
const cut = (text: string, columns: number) =>
  text.length <= columns ? text : `${text.slice(0, Math.max(1, columns - 1))}…`;
