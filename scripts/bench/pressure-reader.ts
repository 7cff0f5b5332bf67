/**
 * oomscope as bench:pressure measures it. It keeps its stamps until a line arrives on stdin, then prints one JSON line with all
 * stamps since the last.
 */
import { createInterface } from 'node:readline';
import { openPressure } from '../../dist/index.js';

/** Nanoseconds, CLOCK_MONOTONIC. */
export interface Stamps {
  /** Begin of a stall, and when the handler of stalls$ was called. */
  stalls: [beginNs: number, atNs: number][];
  /** Change of a level, and when the handler of pressure$ was called. */
  levels: [path: string, level: string, decidedNs: number, atNs: number][];
  lost: Record<string, number>;
}

const [path = ''] = process.argv.slice(2);
const monitor = await openPressure({ stallMs: 0, cgroups: [path] });
let stamps: Stamps = { stalls: [], levels: [], lost: {} };
monitor.stalls$.subscribe((stall) => {
  if (!stall.finished) stamps.stalls.push([Number(stall.begin_mono_ns), Number(process.hrtime.bigint())]);
});
monitor.pressure$.subscribe(({ subject, level, mono_ns }) => {
  stamps.levels.push([subject.path, level, Number(mono_ns), Number(process.hrtime.bigint())]);
});
createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${JSON.stringify({ ...stamps, lost: monitor.lostSoFar() })}\n`);
  stamps = { stalls: [], levels: [], lost: {} };
});
process.stdout.write('ready\n');
process.once('SIGTERM', () => process.exit());
