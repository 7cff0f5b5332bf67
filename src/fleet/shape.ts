/** The stream and the buckets that the fleet needs on the server, and how present ones differ from them. */
import { INCIDENTS, NODES, PREFIX, STORED, STREAM } from '../nats/names.ts';
import { formatBytes, formatSpan } from '../text/format.ts';

/** What `fleet setup` can be told. An option that is not given keeps the present value of the server. */
export interface SetupOptions {
  /** Copies of each message, on so many servers of a cluster: 1, 3 or 5. */
  replicas?: number;
  /** How long events are kept (ms). */
  ageMs?: number;
  /** How many bytes of events are kept: the oldest are discarded first. */
  bytes?: number;
  /** How many events of one node and type are kept. */
  perSubject?: number;
  /** Parts into which the nodes are divided, so that several readers can share them. It cannot change later. */
  partitions?: number;
}

/** The values of a stream's configuration that the fleet cares about, with the server's names. */
export interface StreamValues {
  subjects?: string[];
  subject_transform?: { src: string; dest: string };
  storage?: string;
  retention?: string;
  discard?: string;
  max_age?: number;
  max_bytes?: number;
  max_msgs_per_subject?: number;
  duplicate_window?: number;
  num_replicas?: number;
  allow_direct?: boolean;
}

export const defaults = {
  replicas: 1,
  ageMs: 7 * 86_400_000,
  bytes: 10 * 1024 ** 3,
  perSubject: 100_000,
  partitions: 16,
} as const satisfies Required<SetupOptions>;

const MS = 1e6;
const DUPLICATE_WINDOW_NS = 120_000 * MS;
/** How long the state of a node is kept after its last word. */
const NODE_AGE_MS = 7 * 86_400_000;

/** The stream of events for these options. @param present the configuration of the server; undefined: there is none */
export function streamShape(given: SetupOptions, present?: StreamValues): StreamValues {
  const { replicas, ageMs, bytes, perSubject } = given;
  const partitions = given.partitions ?? partitionsOf(present) ?? defaults.partitions;
  return {
    subjects: [`${PREFIX}.*.*.>`],
    // The server computes the partition from cluster and node: all events of a node are in one partition.
    subject_transform: {
      src: `${PREFIX}.*.*.>`,
      dest: `${STORED}.{{partition(${partitions},1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>`,
    },
    ...{ storage: 'file', retention: 'limits', discard: 'old', allow_direct: true },
    max_age: ageMs === undefined ? (present?.max_age ?? defaults.ageMs * MS) : ageMs * MS,
    max_bytes: bytes ?? present?.max_bytes ?? defaults.bytes,
    max_msgs_per_subject: perSubject ?? present?.max_msgs_per_subject ?? defaults.perSubject,
    duplicate_window: Math.max(DUPLICATE_WINDOW_NS, present?.duplicate_window ?? 0),
    num_replicas: replicas ?? present?.num_replicas ?? defaults.replicas,
  };
}

/** The streams that hold the buckets. */
export const bucketShapes = ({ replicas }: SetupOptions, present: Record<string, StreamValues | undefined>) =>
  [NODES, INCIDENTS].map((bucket) => ({
    bucket,
    values: {
      max_age: present[bucket]?.max_age ?? NODE_AGE_MS * MS,
      num_replicas: replicas ?? present[bucket]?.num_replicas ?? defaults.replicas,
    } as StreamValues,
  }));

/** The number of partitions of a stream; undefined: it has none, so it is not a stream of `fleet setup`. */
export function partitionsOf(present: StreamValues | undefined): number | undefined {
  const found = /\{\{\s*partition\((\d+),/.exec(present?.subject_transform?.dest ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
}

export interface Change {
  /** The name of the value on the server. */
  name: keyof StreamValues;
  from: string;
  to: string;
  /**
   * - `plain`: nothing is lost.
   * - `shrinks`: the server may discard events at once.
   * - `impossible`: the server cannot change this value.
   */
  kind: 'plain' | 'shrinks' | 'impossible';
}

/** What must change so that a stream gets the wanted values. */
export function changesOf(present: StreamValues, wanted: StreamValues): Change[] {
  return (Object.keys(wanted) as (keyof StreamValues)[]).flatMap((name): Change[] => {
    const [was, will] = [present[name], wanted[name]];
    if (isSame(was, will)) return [];
    return [{ name, from: show(name, was), to: show(name, will), kind: kindOf(name, present, wanted) }];
  });
}

function kindOf(name: keyof StreamValues, present: StreamValues, wanted: StreamValues): Change['kind'] {
  if (name === 'storage' || name === 'retention') return 'impossible';
  if (name === 'subject_transform') {
    const before = partitionsOf(present);
    return before !== undefined && before !== partitionsOf(wanted) ? 'impossible' : 'plain';
  }
  if (!shrinking.has(name)) return 'plain';
  return limitOf(wanted[name]) < limitOf(present[name]) ? 'shrinks' : 'plain';
}

const shrinking = new Set<keyof StreamValues>([
  ...(['max_age', 'max_bytes', 'max_msgs_per_subject', 'num_replicas', 'duplicate_window'] as const),
]);

/** 0 and -1 mean no limit. */
const limitOf = (value: unknown) => (typeof value === 'number' && value > 0 ? value : Number.POSITIVE_INFINITY);

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return limitOf(a) === limitOf(b);
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** A value for people. */
export function show(name: keyof StreamValues, value: unknown): string {
  if (value === undefined) return 'none';
  if (name === 'subject_transform') return `${partitionsOf({ subject_transform: value as never }) ?? 'no'} partitions`;
  if (typeof value !== 'number') return Array.isArray(value) ? value.join(' ') : String(value);
  if (limitOf(value) === Number.POSITIVE_INFINITY) return 'no limit';
  if (name === 'max_age' || name === 'duplicate_window') return formatSpan(value / MS / 1000);
  return name === 'max_bytes' ? formatBytes(value) : String(value);
}

export const STREAM_TITLE = `stream ${STREAM}`;
