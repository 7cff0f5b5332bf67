import { expect, it } from 'vitest';
import { untilBeat } from '../../src/series/beat.ts';

it('ends timers of different intervals at common times', () => {
  expect(untilBeat(1000, 10_300)).toBe(700);
  expect(untilBeat(2000, 10_300)).toBe(1700);
  expect(untilBeat(4000, 10_300)).toBe(1700);
});

it('leaves out a beat that is nearer than a quarter of the interval', () => {
  expect(untilBeat(1000, 10_750)).toBe(250);
  expect(untilBeat(1000, 10_751)).toBe(1249);
  expect(untilBeat(1000, 10_000)).toBe(1000);
});
