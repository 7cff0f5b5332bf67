/** The cgroups as one picture: the area is the memory in use, the colour says how full the limit is. */
import { safe } from '../../explain/html/markup.ts';
import { formatBytes, formatPercent } from '../../text/format.ts';
import type { Group, Machine } from '../wire.ts';

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Item {
  bytes: number;
  group: Group | null;
  children: Item[];
}

/** A smaller share of the machine's memory is not drawn. */
const LEAST = 0.002;
const HEAD = 17;
const PAD = 3;
/** The width of a character of the labels (px). */
const CHARACTER = 6.6;

/** @param width the width of the picture (px) */
export function treemap(
  groups: Iterable<Group>,
  { total, free: unused }: Machine,
  width: number,
  hottest: number | undefined,
): string {
  const height = Math.max(260, Math.min(440, width * 0.55));
  const all = [...groups];
  const items = new Map(all.map((group) => [group.key, { bytes: group.usage, group, children: [] } as Item]));
  const top: Item[] = [];
  for (const group of all) (items.get(group.parent)?.children ?? top).push(items.get(group.key) as Item);
  const least = total * LEAST;
  const free: Item = { bytes: unused, group: null, children: [] };
  const parts = layout([...top.filter(({ bytes }) => bytes > least), free], { x: 0, y: 0, width, height }).map(
    ([item, box]) => drawn(item, box, least, hottest),
  );
  const words = `The memory of the machine, ${formatBytes(total)}, by cgroup: the table below has the cgroups with limits.`;
  return `<svg class="treemap" viewBox="0 0 ${width} ${height}" height="${height}" role="img" aria-label="${words}">${parts.join('')}</svg>`;
}

function drawn({ group, bytes, children }: Item, box: Box, least: number, hottest: number | undefined): string {
  const { x, y, width, height } = box;
  if (width < 2 || height < 2) return '';
  const full = group?.limit ? group.usage / group.limit : null;
  const kind =
    group === null ? 'free' : full === null ? 'unlimited' : full >= 0.9 ? 'hot' : full >= 0.7 ? 'warm' : 'cool';
  const mark = group !== null && group.key === hottest ? ' hottest' : '';
  const share = full === null ? '' : ` of ${formatBytes(group?.limit ?? 0)}, ${formatPercent(full)}`;
  const title = group === null ? `free: ${formatBytes(bytes)}` : `${group.path}: ${formatBytes(bytes)}${share}`;
  const rectangle = `<rect class="cell ${kind}${mark}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}"><title>${safe(title)}</title></rect>`;
  const shown = children.filter((child) => child.bytes > least);
  const hasHead = width > 46 && height > HEAD;
  const name = group === null ? 'free' : group.name;
  const label = hasHead ? labelled(name, full === null ? formatBytes(bytes) : formatPercent(full), box) : '';
  const inner = {
    x: x + PAD,
    y: y + (hasHead ? HEAD : PAD),
    width: width - 2 * PAD,
    height: height - PAD - (hasHead ? HEAD : PAD),
  };
  if (shown.length === 0 || inner.width < 8 || inner.height < 8) return rectangle + label;
  // What the cgroup uses beside the cgroups below it stays empty.
  const own = bytes - shown.reduce((sum, child) => sum + child.bytes, 0);
  const all = own > least ? [...shown, { bytes: own, group: null, children: [] }] : shown;
  const parts = layout(all, inner).map(([item, at]) => (item.group === null ? '' : drawn(item, at, least, hottest)));
  return rectangle + label + parts.join('');
}

function labelled(name: string, figure: string, { x, y, width }: Box): string {
  const room = Math.floor((width - 8) / CHARACTER);
  const words = `${name} ${figure}`;
  const shown = words.length <= room ? words : name.length <= room ? name : `${name.slice(0, Math.max(1, room - 1))}…`;
  return `<text x="${(x + 4).toFixed(1)}" y="${(y + 13).toFixed(1)}">${safe(shown)}</text>`;
}

/**
 * Squarified treemap (Bruls, Huizing, van Wijk 2000): fills rows along the shorter side, and begins a new row when another
 * item would make the row's boxes longer.
 */
function layout(items: readonly Item[], box: Box): [Item, Box][] {
  const sorted = items.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
  const sum = sorted.reduce((bytes, item) => bytes + item.bytes, 0);
  const scale = (box.width * box.height) / (sum || 1);
  const placed: [Item, Box][] = [];
  let rest = box;
  for (let from = 0; from < sorted.length; ) {
    const side = Math.min(rest.width, rest.height);
    let to = from + 1;
    while (
      to < sorted.length &&
      worst(sorted.slice(from, to + 1), side, scale) <= worst(sorted.slice(from, to), side, scale)
    )
      to++;
    rest = placeRow(sorted.slice(from, to), rest, scale, placed);
    from = to;
  }
  return placed;
}

/** The largest ratio of the sides of a row's boxes. */
function worst(row: readonly Item[], side: number, scale: number): number {
  const area = row.reduce((sum, { bytes }) => sum + bytes * scale, 0);
  const thickness = area / side;
  return Math.max(
    ...row.map(({ bytes }) => {
      const length = (bytes * scale) / thickness;
      return Math.max(length / thickness, thickness / length);
    }),
  );
}

function placeRow(row: readonly Item[], box: Box, scale: number, placed: [Item, Box][]): Box {
  const area = row.reduce((sum, { bytes }) => sum + bytes * scale, 0);
  const isWide = box.width >= box.height;
  const thickness = area / Math.max(1e-9, isWide ? box.height : box.width);
  let at = isWide ? box.y : box.x;
  for (const item of row) {
    const length = (item.bytes * scale) / Math.max(1e-9, thickness);
    placed.push([
      item,
      isWide
        ? { x: box.x, y: at, width: thickness, height: length }
        : { x: at, y: box.y, width: length, height: thickness },
    ]);
    at += length;
  }
  return isWide
    ? { ...box, x: box.x + thickness, width: box.width - thickness }
    : { ...box, y: box.y + thickness, height: box.height - thickness };
}
