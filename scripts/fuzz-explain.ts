/**
 * A million damaged lines through the reader of kernel logs: none may crash or hang it, or make it say a number that is not in
 * the text.
 *
 *   npm run fuzz:explain -- [--lines 1000000] [--seed N]
 */
import { parseArgs } from 'node:util';
import { explain, fixture, fixtures, linesOf } from '../test/explain/corpus.ts';
import { mutate, random } from '../test/explain/mutate.ts';
import { unfounded } from '../test/explain/unfounded.ts';

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
});
const seed = Number(values.seed);
const next = random(seed);
const texts = fixtures
  .filter((name) => !name.includes('killable'))
  .map((name) =>
    linesOf(fixture(name)).map(({ timeUs, text }) => `[${(timeUs / 1e6).toFixed(6).padStart(12)}] ${text}`),
  );
const begin = performance.now();
let lines = 0;
let reports = 0;
let slowestMs = 0;
while (lines < Number(values.lines)) {
  // From a scratch to ruins.
  const damaged = mutate(texts[Math.floor(next() * texts.length)] as string[], next, next() ** 2);
  const text = damaged.join('\n');
  const start = performance.now();
  const result = explain(text, 1 + Math.floor(next() * 8192));
  slowestMs = Math.max(slowestMs, performance.now() - start);
  for (const report of result.reports) {
    const invented = unfounded(report, text);
    if (invented.length > 0) throw new Error(`seed ${seed}, line ${lines}: ${invented.join(', ')}\n${text}`);
  }
  lines += damaged.length;
  reports += result.reports.length;
}
const seconds = (performance.now() - begin) / 1000;
process.stdout.write(
  `${lines} lines with damage, ${reports} reports, none invented; seed ${seed}, ${seconds.toFixed(1)} s, slowest log ${slowestMs.toFixed(1)} ms\n`,
);
