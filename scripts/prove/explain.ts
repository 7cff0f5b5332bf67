/**
 * Proves that the reader of kernel logs survives a million damaged lines.
 *
 *   npm run prove:explain -- [--fresh] [--part PART]... [--write]
 */
import { explain, fixture, fixtures, linesOf } from '../../test/explain/corpus.ts';
import { mutate } from '../../test/explain/mutate.ts';
import { unfounded } from '../../test/explain/unfounded.ts';
import { seeded } from '../../test/seeded.ts';
import { prove } from './proof.ts';

const PARTS = 10;
const LINES = 100_000;

interface Figures {
  seed: number;
  lines: number;
  reports: number;
  slowestMs: number;
}

const texts = fixtures
  .filter((name) => !name.includes('killable'))
  .map((name) =>
    linesOf(fixture(name)).map(({ timeUs, text }) => `[${(timeUs / 1e6).toFixed(6).padStart(12)}] ${text}`),
  );

async function fuzz(seed: number): Promise<Figures> {
  const next = seeded(seed);
  let lines = 0;
  let reports = 0;
  let slowestMs = 0;
  while (lines < LINES) {
    // The amount of damage varies from one change to many.
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
  return { seed, lines, reports, slowestMs };
}

await prove<Figures>({
  name: 'explain',
  claim: 'Damaged kernel logs never crash or hang the reader, and it never reports a number that is not in the text.',
  parts: Array.from({ length: PARTS }, (_, i) => ({ name: `seed-${i + 1}`, run: () => fuzz(i + 1) })),
  render(parts) {
    const figures = parts.flatMap((part) => part.figures ?? []);
    const sum = (of: (one: Figures) => number) => figures.reduce((total, one) => total + of(one), 0);
    const slowest = Math.max(...figures.map(({ slowestMs }) => slowestMs)).toFixed(1);
    return `${sum(({ lines }) => lines)} damaged lines, ${sum(({ reports }) => reports)} reports, no invented number; slowest log ${slowest} ms; seeds ${figures.map(({ seed }) => seed).join(', ')}\n`;
  },
});
