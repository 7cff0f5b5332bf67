import { expect, test } from 'vitest';
import { type Ranked, withoutDrift } from './reconcile.ts';

const rank = (...entries: [pid: number, points: number][]): Ranked[] =>
  entries.map(([pid, points]) => ({ pid, points, adj: 0 }));

test('a few pages more between the kernel and us are no difference, nor the places changed by them', () => {
  const kernels = rank([354, 136135], [168, 25], [163, 25]);
  expect(withoutDrift(rank([354, 136140], [163, 29], [168, 25]), kernels)).toEqual(kernels);
});

test('another order of numbers that are the same is one', () => {
  const ours = rank([354, 136135], [163, 25], [168, 25]);
  expect(withoutDrift(ours, rank([354, 136135], [168, 25], [163, 25]))).toEqual(ours);
});

test('so are a number far off, and a candidate that the kernel has not', () => {
  const kernels = rank([354, 136135], [168, 25]);
  const far = rank([354, 9000], [168, 25]);
  expect(withoutDrift(far, kernels)).toEqual(far);
  const other = rank([354, 136135], [99, 25]);
  expect(withoutDrift(other, kernels)).toEqual(other);
});
