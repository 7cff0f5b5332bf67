/**
 * Charts as inline SVG. They contain shapes only, because they are stretched to the available width; text is HTML
 * beside the chart, so that it keeps its size on a narrow screen.
 */
import type { ReportZone } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import type { Composition } from '../render/composition.ts';
import { escapeHtml } from './markup.ts';

const WIDE = 1000;

const shape = (height: number, label: string, body: string, kind: string) =>
  `<svg class="${kind}" viewBox="0 0 ${WIDE} ${height}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(label)}">${body}</svg>`;

const rectangle = (kind: string, x: number, y: number, width: number, height: number, title = '') =>
  `<rect class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(0, width).toFixed(1)}" height="${height.toFixed(1)}">${title === '' ? '' : `<title>${escapeHtml(title)}</title>`}</rect>`;

const classOf = (name: string) => `part-${name.replaceAll(' ', '-')}`;

const titles: Record<Composition['of'], string> = {
  limit: 'The limit',
  memory: 'Memory',
  'swap limit': 'The swap of the cgroup',
  swap: 'Swap',
};

/** A bar that shows what filled the limit, the machine's memory or its swap, with a legend of the colours. */
export function compositionChart({ whole, of, parts }: Composition): string {
  const sum = Math.max(
    whole,
    parts.reduce((bytes, part) => bytes + part.bytes, 0),
  );
  let x = 0;
  const bars = parts.map(({ name, bytes }) => {
    const width = (bytes / sum) * WIDE;
    const bar = rectangle(classOf(name), x, 0, width, 30, `${name} ${formatBytes(bytes)}`);
    x += width;
    return bar;
  });
  const legend = parts.map(
    ({ name, bytes }) =>
      `<li><span class="key ${classOf(name)}"></span>${name} <b>${formatBytes(bytes)}</b> <span class="dim">${formatShare(bytes / sum)}</span></li>`,
  );
  const label = `${titles[of]} of ${formatBytes(whole)}: ${parts.map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`).join(', ')}`;
  return `${shape(30, label, bars.join(''), 'bar')}<ul class="legend">${legend.join('')}</ul>`;
}

/** A bar whose length is a share of the full width. */
export function shareBar(share: number, kind: string): string {
  return shape(10, formatShare(share), rectangle(kind, 0, 0, Math.min(1, share) * WIDE, 10), 'share');
}

/** A bar for the free memory of a zone, with the zone's watermarks as lines. */
export function zoneChart(zone: ReportZone): string {
  const scale = Math.max(zone.high_bytes * 1.3, Math.min(zone.free_bytes, zone.high_bytes * 2)) || 1;
  const at = (bytes: number) => Math.min(1, bytes / scale) * WIDE;
  const low = zone.free_bytes < zone.min_bytes;
  const marks = [
    ['min', zone.min_bytes],
    ['low', zone.low_bytes],
    ['high', zone.high_bytes],
  ] as const;
  const lines = marks.map(([name, bytes]) =>
    rectangle(`mark mark-${name}`, at(bytes) - 1.5, 0, 3, 20, `${name} ${formatBytes(bytes)}`),
  );
  const label = `free ${formatBytes(zone.free_bytes)}, ${marks.map(([name, bytes]) => `${name} ${formatBytes(bytes)}`).join(', ')}`;
  return shape(
    20,
    label,
    rectangle(low ? 'free-low' : 'free-fine', 0, 4, at(zone.free_bytes), 12) + lines.join(''),
    'zone',
  );
}

/**
 * A chart of kills by hour, including hours without kills. null: all are within one hour, or they span more than 31 days.
 */
export function hourChart(
  hours: readonly { name: string; count: number }[],
): { svg: string; from: string; to: string; most: number } | null {
  const [first] = hours;
  const last = hours.at(-1);
  if (!first || !last) return null;
  const at = (name: string) => Date.parse(`${name.slice(0, 13)}:00:00Z`) / 3_600_000;
  const slots = at(last.name) - at(first.name) + 1;
  if (!(slots > 1 && slots <= 24 * 31)) return null;
  const most = Math.max(...hours.map(({ count }) => count));
  const width = WIDE / Math.max(slots, 12);
  const bars = hours.map(({ name, count }) => {
    const height = (count / most) * 76;
    return rectangle(
      'hour',
      (at(name) - at(first.name)) * width,
      80 - height,
      Math.max(width * 0.85, 1),
      height,
      `${name}: ${count}`,
    );
  });
  const label = `Kills by hour from ${first.name} to ${last.name}, at most ${most}`;
  return { svg: shape(80, label, bars.join(''), 'timeline'), from: first.name, to: last.name, most };
}
