/**
 * Finds the cgroups of a tree that are short of memory, and those that a view can leave out. These functions are pure.
 */
import type { CgroupNode } from '../model/cgroup-tree.ts';

/** How short of memory a cgroup is. 0: not short; 1: it may become short; 2: short. */
export type Shortage = 0 | 1 | 2;

/**
 * From these values on, a cgroup may become short of memory, or is short: FULL is usage as a share of the limit,
 * STALLED is the percentage of time in which at least one task waited for memory.
 */
const FULL: [may: number, is: number] = [0.75, 0.9];
const STALLED: [may: number, is: number] = [2, 10];

/** The shortage of the node itself. Kills from before the first sample count as 1, later ones as 2. */
export function shortageOf({ full, some_avg10, oom_kills, oom_kills_seen, path }: CgroupNode): Shortage {
  const by = (value: number | null, [may, is]: [number, number]) =>
    value === null || value < may ? 0 : value < is ? 1 : 2;
  const kills = oom_kills_seen > 0 ? 2 : path !== '/' && (oom_kills ?? 0) > 0 ? 1 : 0;
  return Math.max(by(full, FULL), by(some_avg10, STALLED), kills) as Shortage;
}

/** The highest shortage of the node and its descendants. */
export function shortageBeneath(node: CgroupNode): Shortage {
  return Math.max(shortageOf(node), ...node.children.map(shortageBeneath)) as Shortage;
}

/**
 * The nodes to look at first: the deepest nodes with the highest shortage in the tree. A node with a descendant that
 * has the same shortage is left out.
 */
export function hotSpots(root: CgroupNode): CgroupNode[] {
  const most = shortageBeneath(root);
  if (most === 0) return [];
  const spots: CgroupNode[] = [];
  const visit = (node: CgroupNode): void => {
    const beneath = node.children.filter((child) => shortageBeneath(child) === most);
    if (beneath.length === 0 && shortageOf(node) === most) spots.push(node);
    for (const child of beneath) visit(child);
  };
  visit(root);
  return spots.sort((a, b) => {
    const [ours, theirs] = [urgency(a), urgency(b)];
    const at = ours.findIndex((value, i) => value !== theirs[i]);
    return at < 0 ? 0 : (theirs[at] as number) - (ours[at] as number);
  });
}

/** Numbers to sort by, the most important first. */
const urgency = ({ oom_kills_seen, some_avg10, full, oom_kills, usage_bytes }: CgroupNode) => [
  oom_kills_seen,
  Math.round(some_avg10 ?? 0),
  full !== null && full >= FULL[0] ? full : 0,
  oom_kills ?? 0,
  usage_bytes,
];

export interface Row {
  node: CgroupNode;
  /** For each ancestor: whether its vertical line in the drawing continues below this row. */
  rails: boolean[];
  last: boolean;
  /** The last part of the path, or several parts if the nodes between them have no other child. */
  name: string;
  shortage: Shortage;
}

/** A row that replaces nodes that are small, idle and not short of memory. */
export interface Rest {
  rails: boolean[];
  rest: { count: number; usage_bytes: number };
}

/** @param all show every node */
export function rowsOf(root: CgroupNode, all: boolean): (Row | Rest)[] {
  const rows: (Row | Rest)[] = [];
  const small = Math.max(2 ** 20, root.usage_bytes / 200);
  const visit = (start: CgroupNode, rails: boolean[], last: boolean): void => {
    const { node, name } = all ? { node: start, name: start.path } : passThrough(start);
    const above = start.path.slice(0, start.path.lastIndexOf('/') + 1);
    rows.push({
      node,
      rails,
      last,
      name: start === root ? node.path : name.slice(above.length),
      shortage: shortageOf(node),
    });
    const beneath = [...node.children].sort(
      (a, b) => shortageBeneath(b) - shortageBeneath(a) || b.usage_bytes - a.usage_bytes || (a.path < b.path ? -1 : 1),
    );
    const shown = all ? beneath : beneath.filter((child) => shortageBeneath(child) > 0 || child.usage_bytes >= small);
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

/** Skips nodes that have one child and neither a limit nor an owner. */
function passThrough(node: CgroupNode): { node: CgroupNode; name: string } {
  let at = node;
  for (let [only] = at.children; only && at.children.length === 1 && at.path !== '/'; [only] = at.children) {
    const plain = at.limit_bytes === null && at.container === null && at.pod === null && !at.unit?.endsWith('.service');
    if (!plain || only.usage_bytes < at.usage_bytes * 0.95 || shortageOf(at) > shortageOf(only)) break;
    at = only;
  }
  return { node: at, name: at.path };
}

const groups = (node: CgroupNode): number => 1 + node.children.reduce((sum, child) => sum + groups(child), 0);
