/**
 * The oomscope process that bench:pressure measures. It collects time stamps. When a line arrives on stdin, it prints
 * one JSON line with all time stamps since the previous one.
 */
import { createInterface } from 'node:readline';
import { openPressure } from '../../dist/index.js';

/** The collected time stamps, in nanoseconds of CLOCK_MONOTONIC. */
export interface Stamps {
  /** For each stall: when it began, and when the handler of stalls$ was called. */
  stalls: [beginNs: number, atNs: number][];
  /** For each change of a level: the change, when it was decided, and when the handler of pressure$ was called. */
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
