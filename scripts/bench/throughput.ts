/**
 * Measures how many records per second a reader can read without losing one. The records are a synthetic flood of 40
 * bytes each, in a ring buffer of the tracer's default size. A plain C libbpf loop that sums a field reads them, and
 * oomscope with a subscriber that decodes them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { buildRivals, built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});
const SEARCH_STEPS = 6;
const GOAL_PER_SECOND = 1_000_000;

interface Flood {
  produced: number;
  lost: number;
  delivered: number;
  perSecond: number;
}
interface Side {
  reader: Child;
  flooder: Child;
  /** Rates with back-pressure: the flooding program waits while the ring is more than half full. */
  taken: Flood[];
  /** The highest constant rate without a loss, found by a search in each round. */
  paced: number[];
  /** Rates when the flooding program never waits. */
  unpaced: Flood[];
}

const where = circumstances();
const seconds = Number(options.seconds);
const rivals = buildRivals('sum-reader', 'flooder');
const sides: Record<string, Side> = {
  'plain C libbpf loop': await start([rivals['sum-reader'], built('flood.bpf.o')]),
  'oomscope, decoded in batches$': await start([process.execPath, `${import.meta.dirname}/throughput-reader.ts`]),
};
for (let round = -1; round < Number(options.rounds); round++) {
  for (const [name, side] of Object.entries(sides)) {
    const taken = await flood(side, seconds, -1);
    const unpaced = await flood(side, seconds, 0);
    if (round < 0) continue; // warm
    side.taken.push(taken);
    side.unpaced.push(unpaced);
    side.paced.push(await search(side, taken.perSecond));
    say(`${name}: ${side.paced.at(-1)?.toFixed(0)} per second without a loss`);
  }
}
for (const { reader, flooder } of Object.values(sides)) {
  await flooder.end();
  await reader.end();
}
where.load_after = circumstances().load_before;
report();

async function start(command: string[]): Promise<Side> {
  const reader = new Child(command);
  const ids = (await reader.line('maps')).split(' ').slice(1);
  const flooder = new Child([rivals.flooder, built('flood.bpf.o'), ...ids]);
  await flooder.line('ready');
  return { reader, flooder, taken: [], paced: [], unpaced: [] };
}

async function flood({ reader, flooder }: Side, lasting: number, rate: number): Promise<Flood> {
  const before = await delivered(reader);
  flooder.write(`${lasting} ${rate}`);
  const [produced = 0, lost = 0, ns = 0] = (await flooder.line('flood')).split(' ').slice(1).map(Number);
  let after = await delivered(reader);
  // Waits until the ring is empty, but at most 40 times.
  for (let i = 0; i < 40 && after - before + lost < produced; i++) {
    await sleep(25);
    after = await delivered(reader);
  }
  const result = { produced, lost, delivered: after - before, perSecond: ((after - before) / ns) * 1e9 };
  if (result.delivered + lost !== produced) {
    throw new Error(`expected delivered + lost = produced, got ${result.delivered} + ${lost} and ${produced}`);
  }
  return result;
}

/**
 * Finds the highest rate without a loss by binary search, up to 1.5 times the rate that the reader took under
 * back-pressure.
 */
async function search(side: Side, taken: number): Promise<number> {
  let low = 0;
  let high = taken * 1.5;
  let best = 0;
  for (let step = 0; step < SEARCH_STEPS; step++) {
    const rate = low === 0 ? high / 2 : (low + high) / 2;
    const { lost, perSecond } = await flood(side, seconds / 2, rate);
    if (lost === 0) {
      low = rate;
      best = Math.max(best, perSecond);
    } else {
      high = rate;
    }
  }
  return best;
}

async function delivered(reader: Child): Promise<number> {
  reader.write('read');
  return Number((await reader.line('read')).split(' ')[1]);
}

function report(): void {
  const k = (value: number) => `${Math.round(value / 1000).toLocaleString('en')} k`;
  const rows = Object.entries(sides).map(([name, side]) => {
    const sum = (key: 'produced' | 'delivered' | 'lost') => side.unpaced.reduce((total, one) => total + one[key], 0);
    return {
      name,
      taken: summarize(side.taken.map((one) => one.perSecond)),
      paced: summarize(side.paced),
      unpaced: {
        offered: summarize(side.unpaced.map((one) => one.produced / seconds)),
        delivered: summarize(side.unpaced.map((one) => one.perSecond)),
        produced_total: sum('produced'),
        delivered_total: sum('delivered'),
        lost_total: sum('lost'),
      },
      rounds: { taken: side.taken, paced: side.paced, unpaced: side.unpaced },
    };
  });
  const head = [
    'records per second, p50 (best) of rounds',
    'lossless, back-pressed',
    'lossless, paced',
    'unpaced: offered',
  ];
  const both = (s: ReturnType<typeof summarize>) => (s ? `${k(s.p50)} (${k(s.max)})` : '');
  const lines = rows.map((row) => [
    row.name,
    both(row.taken),
    both(row.paced),
    both(row.unpaced.offered),
    both(row.unpaced.delivered),
  ]);
  process.stdout.write(`${inWords(where)}\n\n${table([[...head, 'unpaced: delivered'], ...lines])}\n`);
  for (const { name, unpaced: u } of rows) {
    const share = ((100 * u.lost_total) / u.produced_total).toFixed(1);
    process.stdout.write(
      `Unpaced, ${name}: produced ${u.produced_total} = delivered ${u.delivered_total} + lost ${u.lost_total} (${share} %).\n`,
    );
  }
  const [rival, own] = rows.map((row) => Math.max(row.taken?.p50 ?? 0, row.paced?.p50 ?? 0)) as [number, number];
  const wanted = Math.min(GOAL_PER_SECOND, rival / 2);
  process.stdout.write(`oomscope to the C loop: ${(own / rival).toFixed(2)} ×.\n`);
  process.stdout.write(
    `Goal: lossless ≥ ${k(wanted)} per second (1 M or half of the C loop). Measured: ${k(own)}: ${own >= wanted ? 'met' : 'NOT met'}.\n`,
  );
  writeJson(options.json, {
    benchmark: 'throughput',
    unit: 'records per second',
    ...where,
    seconds,
    record_bytes: 40,
    rows,
  });
}
