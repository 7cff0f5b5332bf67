import { expect, test } from 'vitest';
import { parsePressure, parseStallTotals } from '../../src/linux/psi.ts';

const file = Buffer.from(`some avg10=1.50 avg60=0.20 avg300=0.03 total=123456
full avg10=0.75 avg60=0.10 avg300=0.01 total=65432
`);
const withoutFull = file.subarray(0, file.indexOf('full'));

test('parses averages and totals', () => {
  expect(parsePressure(file)).toEqual({
    some: { avg10: 1.5, avg60: 0.2, avg300: 0.03, total_ns: 123_456_000 },
    full: { avg10: 0.75, avg60: 0.1, avg300: 0.01, total_ns: 65_432_000 },
  });
  for (const bytes of [withoutFull, Buffer.alloc(0), undefined]) expect(parsePressure(bytes)).toBeNull();
});

test('parses only the totals', () => {
  expect(parseStallTotals(file)).toEqual({ someUs: 123_456, fullUs: 65_432 });
  for (const bytes of [withoutFull, Buffer.alloc(0), undefined]) expect(parseStallTotals(bytes)).toBeNull();
});
