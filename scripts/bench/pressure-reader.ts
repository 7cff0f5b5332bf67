/**
 * oomscope as bench:pressure measures it. It keeps its stamps to itself until it is asked, with a line on stdin: then it
 * prints one JSON line of all since the last.
 */
import { createInterface } from 'node:readline';
import { openPressure } from '../../dist/index.js';

/** Nanoseconds, CLOCK_MONOTONIC. */
export interface Stamps {
  /** When a stall began, and when the handler of stalls$ had it. */
  stalls: [beginNs: number, atNs: number][];
  /** When a level changed, and when the handler of pressure$ had it. */
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
