/**
 * Proves that the reader of configurations survives a million damaged files.
 *
 *   npm run prove:config -- [--fresh] [--part PART]... [--write]
 */
import { type FuzzFigures, fuzz } from '../../test/config/fuzz.ts';
import { prove } from './proof.ts';

const PARTS = 20;
const FILES = 50_000;

await prove<FuzzFigures>({
  name: 'config',
  claim:
    'A damaged configuration never crashes or hangs the reader: within 100 ms of CPU time the reader accepts the file, or refuses it and reports its faults. An accepted configuration that is written and read again stays the same.',
  parts: Array.from({ length: PARTS }, (_, i) => ({ name: `seed-${i + 1}`, run: () => fuzz(i + 1, FILES) })),
  render(parts) {
    const figures = parts.flatMap((part) => part.figures ?? []);
    const sum = (of: (one: FuzzFigures) => number) => figures.reduce((total, one) => total + of(one), 0);
    const slowest = Math.max(...figures.map(({ slowestCpuMs }) => slowestCpuMs)).toFixed(1);
    return `${sum(({ files }) => files)} damaged files, ${sum(({ right }) => right)} of them still valid; slowest file ${slowest} ms of CPU; seeds ${figures.map(({ seed }) => seed).join(', ')}\n`;
  },
});
