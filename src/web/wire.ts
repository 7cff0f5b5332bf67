/** What the server of the page sends, as JSON. Sizes are in bytes, shares are 0 to 1. */
import type { FleetReport } from '../fleet/report.ts';
import type { Extent, Row, Sum } from '../history/query.ts';

/** A cgroup in the first message. */
export interface Group {
  /** Its number in the messages that follow. */
  key: number;
  path: string;
  /** The number of the cgroup above; -1: none. */
  parent: number;
  /** The name of its container, pod or unit, else the last part of its path. */
  name: string;
  usage: number;
  limit: number | null;
  /** Growth a second. null: there are too few samples. */
  growth: number | null;
  /** OOM kills since it was created. null: unknown. */
  kills: number | null;
}

/** One of the processes that the kernel would kill next. */
export interface Next {
  pid: number;
  name: string;
  memory: number;
  adj: number;
  /** Badness in thousandths of the memory of the machine. */
  points: number;
}

export interface Machine {
  /** Milliseconds since 1970. */
  timeMs: number;
  total: number;
  /** Memory that programs can still get: free memory, and caches that the kernel can take back. */
  available: number;
  /** Memory that nothing uses. */
  free: number;
  swapTotal: number;
  swapFree: number;
  /** The share of the time since the last sample in which some task, or every task, was stalled. null: no PSI. */
  some: number | null;
  full: number | null;
}

/** The event `now`: the first one has all cgroups, later ones those that changed. */
export interface Now {
  machine: Machine;
  /** All cgroups. Absent: none was created or removed. */
  groups?: Group[];
  /** Cgroups whose figures changed: number, usage, growth, limit. */
  changed?: [key: number, usage: number, growth: number | null, limit: number | null][];
  next?: Next[];
}

export interface About {
  node: string;
  version: string;
  /** Whether a history is read: without one, only events since the page was opened are shown. */
  history: boolean;
  /** Whether events of the tracer arrive. */
  live: boolean;
  /** How the guard runs. null: it does not. */
  guard: string | null;
  /** The last minutes, the oldest first. */
  past: Machine[];
  /** Whether the page is about a fleet: then the event `now` has a {@link FleetNow}. */
  fleet: boolean;
}

/** The event `now` of a fleet. */
export interface FleetNow {
  /** With the nodes that need attention first, at most 200. */
  report: FleetReport;
  nodes: number;
  silent: number;
}

/** A row of a list, as /api/list sends it: without the event, but with its sentence and the name of its node. */
export type ListRow = Omit<Row, 'event'> & { message: string; node: string };

export interface List {
  rows: ListRow[];
  /** Whether there are more rows before these. */
  more: boolean;
}

export type { Extent, Sum };
