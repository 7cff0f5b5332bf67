/**
 * What in a tree of cgroups deserves a look, and what can be left out. Pure.
 */
import type { CgroupNode } from '../model/cgroup-tree.ts';

/** 2: look here; 1: keep an eye on it; 0: all is well. */
export type Heat = 0 | 1 | 2;

/** A share of a limit; percent of the time waiting for memory. */
const FULL: [warm: number, hot: number] = [0.75, 0.9];
const STALLED: [warm: number, hot: number] = [2, 10];

/** Of the node itself. Kills that were there before the first look are old news, but not none. */
export function heatOf({ full, some_avg10, oom_kills, oom_kills_seen, path }: CgroupNode): Heat {
  const by = (value: number | null, [warm, hot]: [number, number]) =>
    value === null || value < warm ? 0 : value < hot ? 1 : 2;
  const kills = oom_kills_seen > 0 ? 2 : path !== '/' && (oom_kills ?? 0) > 0 ? 1 : 0;
  return Math.max(by(full, FULL), by(some_avg10, STALLED), kills) as Heat;
}

/** The hottest of it and all beneath it. */
export function heatBeneath(node: CgroupNode): Heat {
  return Math.max(heatOf(node), ...node.children.map(heatBeneath)) as Heat;
}

/**
 * Where to look: the deepest nodes that are hot, or else warm, by themselves. A group is as hot as what
 * is beneath it, and then that is named instead.
 */
export function hotSpots(root: CgroupNode): CgroupNode[] {
  const most = heatBeneath(root);
  if (most === 0) return [];
  const spots: CgroupNode[] = [];
  const visit = (node: CgroupNode): void => {
    const beneath = node.children.filter((child) => heatBeneath(child) === most);
    if (beneath.length === 0 && heatOf(node) === most) spots.push(node);
    for (const child of beneath) visit(child);
  };
  visit(root);
  return spots.sort((a, b) => {
    const [ours, theirs] = [urgency(a), urgency(b)];
    const at = ours.findIndex((value, i) => value !== theirs[i]);
    return at < 0 ? 0 : (theirs[at] as number) - (ours[at] as number);
  });
}

/** What counts first, first. */
const urgency = ({ oom_kills_seen, some_avg10, full, oom_kills, usage_bytes }: CgroupNode) => [
  oom_kills_seen,
  Math.round(some_avg10 ?? 0),
  full !== null && full >= FULL[0] ? full : 0,
  oom_kills ?? 0,
  usage_bytes,
];

export interface Row {
  node: CgroupNode;
  /** How it hangs: true for each level above whose line goes on. */
  rails: boolean[];
  last: boolean;
  /** Its name: the last part of its path, or several where the parts between hold nothing else. */
  name: string;
  heat: Heat;
}

/** Instead of what is small, idle and cool. */
export interface Rest {
  rails: boolean[];
  rest: { count: number; usage_bytes: number };
}

/** @param all leave nothing out */
export function rowsOf(root: CgroupNode, all: boolean): (Row | Rest)[] {
  const rows: (Row | Rest)[] = [];
  const small = Math.max(2 ** 20, root.usage_bytes / 200);
  const visit = (start: CgroupNode, rails: boolean[], last: boolean): void => {
    const { node, name } = all ? { node: start, name: start.path } : passThrough(start);
    const above = start.path.slice(0, start.path.lastIndexOf('/') + 1);
    rows.push({ node, rails, last, name: start === root ? node.path : name.slice(above.length), heat: heatOf(node) });
    const beneath = [...node.children].sort(
      (a, b) => heatBeneath(b) - heatBeneath(a) || b.usage_bytes - a.usage_bytes || (a.path < b.path ? -1 : 1),
    );
    const shown = all ? beneath : beneath.filter((child) => heatBeneath(child) > 0 || child.usage_bytes >= small);
    const hidden = beneath.filter((child) => !shown.includes(child));
    const inner = start === root ? [] : [...rails, !last];
    for (const [i, child] of shown.entries()) visit(child, inner, i === shown.length - 1 && hidden.length === 0);
    if (hidden.length > 0) {
      const usage = hidden.reduce((sum, child) => sum + child.usage_bytes, 0);
      rows.push({
        rails: inner,
        rest: { count: hidden.reduce((sum, child) => sum + groups(child), 0), usage_bytes: usage },
      });
    }
  };
  visit(root, [], true);
  return rows;
}

/** Down through groups that have one child and neither a limit nor an owner worth a line. */
function passThrough(node: CgroupNode): { node: CgroupNode; name: string } {
  let at = node;
  for (let [only] = at.children; only && at.children.length === 1 && at.path !== '/'; [only] = at.children) {
    const plain = at.limit_bytes === null && at.container === null && at.pod === null && !at.unit?.endsWith('.service');
    if (!plain || only.usage_bytes < at.usage_bytes * 0.95 || heatOf(at) > heatOf(only)) break;
    at = only;
  }
  return { node: at, name: at.path };
}

const groups = (node: CgroupNode): number => 1 + node.children.reduce((sum, child) => sum + groups(child), 0);
