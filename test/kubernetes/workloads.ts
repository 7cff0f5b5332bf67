/**
 * Thirty made workloads whose needs are known, to compare rules that advise memory limits. They are not measured: each is a
 * demand, and run() computes what a node would show of it at a limit. They were written before the advice of oomscope.
 */
const MIB = 2 ** 20;

export interface Workload {
  name: string;
  /** Memory that cannot be reclaimed (MiB): usual, and at the peak. Below the peak, the kernel kills. */
  usual: number;
  peak: number;
  /** Pages of files that are read again and again (MiB): without room for them, tasks wait. */
  hot: number;
  /** Pages of files that are read once (MiB). They fill any free memory, and nobody misses them. */
  cold: number;
  /** Growth without end (MiB an hour): no limit is enough. */
  leak: number;
  /** How often the peak comes (hours between two). */
  everyHours: number;
  /** What the manifest asks for (MiB). null: nothing. */
  request: number | null;
  limit: number | null;
  /** The limit of the pod (MiB), if it is lower than that of the container. */
  podLimit?: number;
}

const workload = (
  name: string,
  demand: Partial<Workload> & Pick<Workload, 'usual' | 'request' | 'limit'>,
): Workload => ({
  ...{ name, hot: 0, cold: 0, leak: 0, everyHours: 1, peak: demand.usual },
  ...demand,
});

export const workloads: readonly Workload[] = [
  workload('a steady web server', { usual: 180, peak: 200, hot: 20, request: 128, limit: 256 }),
  workload('a web server whose limit is a little too low', {
    usual: 240,
    peak: 290,
    hot: 10,
    request: 128,
    limit: 256,
  }),
  workload('a web server whose limit is half its peak', { usual: 200, peak: 500, hot: 10, request: 128, limit: 256 }),
  workload('a web server with ten times the limit it needs', {
    usual: 90,
    peak: 100,
    hot: 10,
    request: 1024,
    limit: 1024,
  }),
  workload('a tiny sidecar', { usual: 12, peak: 15, hot: 4, request: 64, limit: 128 }),
  workload('a tiny sidecar at its limit', { usual: 28, peak: 36, hot: 4, request: 32, limit: 32 }),
  workload('a proxy whose connections come in waves', { usual: 60, peak: 220, everyHours: 6, request: 64, limit: 128 }),
  workload('a batch job with a peak once a day', { usual: 150, peak: 900, everyHours: 24, request: 256, limit: 1024 }),
  workload('a batch job with a peak once a day, too low', {
    usual: 150,
    peak: 900,
    everyHours: 24,
    request: 256,
    limit: 512,
  }),
  workload('a start that needs thrice the rest', { usual: 200, peak: 600, everyHours: 168, request: 256, limit: 700 }),
  workload('a report once a week', { usual: 100, peak: 1500, everyHours: 168, request: 128, limit: 1600 }),
  workload('a database with a hot set of files', {
    usual: 300,
    peak: 350,
    hot: 900,
    cold: 4000,
    request: 1024,
    limit: 2048,
  }),
  workload('a database without room for its hot set', {
    usual: 300,
    peak: 350,
    hot: 900,
    cold: 4000,
    request: 512,
    limit: 768,
  }),
  workload('a log shipper: cold pages fill its limit', { usual: 40, peak: 50, cold: 8000, request: 64, limit: 512 }),
  workload('a log shipper with a low limit', { usual: 40, peak: 50, cold: 8000, request: 64, limit: 80 }),
  workload('a backup: cold pages, and a buffer', { usual: 80, peak: 120, cold: 20000, request: 128, limit: 256 }),
  workload('a JVM with a fixed heap', { usual: 1150, peak: 1200, hot: 60, request: 1024, limit: 1536 }),
  workload('a JVM whose heap is as large as the limit', {
    usual: 1000,
    peak: 1330,
    hot: 60,
    request: 1024,
    limit: 1024,
  }),
  workload('a Node server with the default heap', {
    usual: 500,
    peak: 780,
    everyHours: 4,
    hot: 30,
    request: 256,
    limit: 512,
  }),
  workload('a Go server between two collections', { usual: 110, peak: 240, hot: 10, request: 128, limit: 256 }),
  workload('a Python worker that loads a model', { usual: 2900, peak: 3100, hot: 200, request: 2048, limit: 4096 }),
  workload('a Python worker that loads a model, too low', {
    usual: 2900,
    peak: 3100,
    hot: 200,
    request: 1024,
    limit: 2048,
  }),
  workload('a slow leak', { usual: 150, leak: 4, request: 128, limit: 256 }),
  workload('a fast leak', { usual: 150, leak: 200, request: 256, limit: 512 }),
  workload('a leak with room for a month', { usual: 100, leak: 1, request: 256, limit: 1024 }),
  workload('a cache in tmpfs that is bounded', { usual: 400, peak: 420, request: 256, limit: 512 }),
  workload('a cache in tmpfs, too large for the limit', { usual: 400, peak: 640, request: 256, limit: 512 }),
  workload('no limit, and little need', { usual: 300, peak: 330, hot: 20, request: 256, limit: null }),
  workload('no request and no limit', { usual: 90, peak: 140, hot: 10, request: null, limit: null }),
  workload('a container within a pod whose limit is lower', {
    usual: 300,
    peak: 480,
    request: 256,
    limit: 1024,
    podLimit: 400,
  }),
];

/** What a node shows of a container after a week. All sizes in bytes. */
export interface Shown {
  /** Memory that cannot be reclaimed, now. */
  held: number;
  /** Usage without pages of files that were not used lately. */
  workingSet: number;
  /** The highest of it, as metrics with a sample each half minute show it; and the highest usage (memory.peak). */
  peakWorkingSet: number;
  peak: number;
  /** memory.events: how often usage was at the limit, and kills. */
  limitHits: number;
  kills: number;
  /** The kills were at the limit of the pod. */
  killsAtPod: number;
  /** Percent of the last five minutes in which some task waited for memory. */
  stalled: number;
  /** How fast the memory that cannot be reclaimed grew over the life of the container (bytes an hour). */
  growth: number;
  /** Hours that the container has run since its last start. */
  hours: number;
}

const WEEK = 168;
const NODE = 32_768;

/** Runs a workload for a week at a limit. @param limitMib null: the memory of the node */
export function run({ usual, peak, hot, cold, leak, everyHours, podLimit }: Workload, limitMib: number | null): Shown {
  const own = limitMib ?? NODE;
  const limit = Math.min(own, podLimit ?? NODE);
  const hoursToDie = leak > 0 ? (limit - usual) / leak : Number.POSITIVE_INFINITY;
  const dies = leak > 0 ? hoursToDie < WEEK : peak > limit;
  const kills = !dies ? 0 : leak > 0 ? Math.floor(WEEK / Math.max(hoursToDie, 0.1)) : Math.floor(WEEK / everyHours);
  const hours = !dies ? WEEK : leak > 0 ? WEEK % Math.max(hoursToDie, 0.1) : Math.min(everyHours / 2, WEEK);
  const anon = Math.min(leak > 0 ? usual + leak * hours : usual, limit);
  const highest = Math.min(leak > 0 ? usual + leak * Math.min(WEEK, hoursToDie) : peak, limit);
  const files = Math.min(hot, limit - anon);
  const missing = Math.max(0, anon + hot - limit);
  return {
    held: anon * MIB,
    workingSet: (anon + files) * MIB,
    peakWorkingSet: Math.min(highest + hot, limit) * MIB,
    peak: Math.min(highest + hot + cold, limit) * MIB,
    limitHits: highest + hot + cold > limit ? 10_000 : 0,
    kills,
    killsAtPod: podLimit !== undefined && podLimit < own ? kills : 0,
    stalled: hot > 0 ? Math.round((60 * missing) / hot) : 0,
    growth: leak * MIB,
    hours,
  };
}

/** What a limit does to a workload. */
export type Outcome = 'good' | 'kills' | 'waits' | 'waste' | 'leak';

/** `waits`: no room for the hot files. `waste`: more than twice the need. `leak`: no limit is right. */
export function outcome({ peak, hot, leak, podLimit }: Workload, limitMib: number, podMib = podLimit): Outcome {
  if (leak > 0) return 'leak';
  const limit = Math.min(limitMib, podMib ?? limitMib);
  if (peak > limit) return 'kills';
  if (peak + hot > limit * 1.05) return 'waits';
  return limitMib > 2 * (peak + hot) + 16 ? 'waste' : 'good';
}
