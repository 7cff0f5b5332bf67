/** Puts a million events into a history, and prints what it cost, as JSON: node writer.ts FILE COUNT */
import { HistoryRecorder } from '../../../src/history/recorder.ts';
import { pressureLevel } from '../../../test/alerts/alerts.ts';
import { aKill, aReaped } from '../../../test/history/made-events.ts';
import { footprint } from '../../bench/process-figures.ts';

const [path = '', count = '1000000'] = process.argv.slice(2);
const total = Number(count);
const options = { maxAgeMs: 3650 * 86_400_000, maxBytes: 2 ** 36 };
let lost = 0;
const told: string[] = [];
const recorder = new HistoryRecorder({
  ...{ path, ...options },
  tell: (sentence) => told.push(sentence),
  onLost: (counts) => {
    for (const each of Object.values(counts)) lost += each;
  },
});
await recorder.opened;

const before = footprint(process.pid).rss_kib;
/** How many calls of take() took so many microseconds. */
const held = new Uint32Array(100_000);
let longestNs = 0;
let highestKib = before;
const take: HistoryRecorder['take'] = (event) => {
  const begin = process.hrtime.bigint();
  recorder.take(event);
  const ns = Number(process.hrtime.bigint() - begin);
  longestNs = Math.max(longestNs, ns);
  held[Math.min(held.length - 1, Math.floor(ns / 1000))] =
    (held[Math.min(held.length - 1, Math.floor(ns / 1000))] ?? 0) + 1;
};

const firstMs = Date.now() - 30 * 86_400_000;
const begin = performance.now();
for (let i = 0; i < total / 5; i++) {
  const timeMs = firstMs + Math.round((i / (total / 5)) * 30 * 86_400_000);
  const kill = aKill({ timeMs, comm: `app-${i % 200}`, container: `shop-${i % 1000}` });
  take(kill);
  take(aReaped(kill));
  const time = { time: kill.time, boot_id: kill.boot_id };
  for (const [level, previous] of [
    ['medium', 'normal'],
    ['critical', 'medium'],
    ['normal', 'critical'],
  ] as const) {
    take({
      ...pressureLevel(level, previous, { episode: `episode-${i}`, peak: 'critical' }),
      ...time,
      id: `${kill.id}-${level}`,
    });
  }
  // The queue is bounded: an endless storm would lose events, which this part does not measure.
  if (recorder.waiting > 2000) await new Promise((resolve) => setTimeout(resolve, 5));
  if (i % 10_000 === 0) highestKib = Math.max(highestKib, footprint(process.pid).rss_kib);
}
await recorder.close();
const seconds = (performance.now() - begin) / 1000;

function percentile(share: number): number {
  const rank = held.reduce((sum, calls) => sum + calls, 0) * share;
  let seen = 0;
  return held.findIndex((calls) => {
    seen += calls;
    return seen >= rank;
  });
}

process.stdout.write(
  JSON.stringify({
    seconds,
    p50Us: percentile(0.5),
    p99Us: percentile(0.99),
    longestUs: Math.round(longestNs / 1000),
    beforeKib: before,
    highestKib,
    lost,
    told,
  }),
);
