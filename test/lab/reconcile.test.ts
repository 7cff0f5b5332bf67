import { expect, test } from 'vitest';
import { type Ranked, withoutDrift } from './reconcile.ts';

const rank = (...entries: [pid: number, points: number][]): Ranked[] =>
  entries.map(([pid, points]) => ({ pid, points, adj: 0 }));

test('points that differ by a few pages count as equal, also if they change the order of processes', () => {
  const kernels = rank([354, 136135], [168, 25], [163, 25]);
  expect(withoutDrift(rank([354, 136140], [163, 29], [168, 25]), kernels)).toEqual(kernels);
});

test('another order of processes is a difference if their points equal the points of the kernel', () => {
  const ours = rank([354, 136135], [163, 25], [168, 25]);
  expect(withoutDrift(ours, rank([354, 136135], [168, 25], [163, 25]))).toEqual(ours);
});

test('points far from the kernel’s are a difference, and so is a candidate that the kernel does not list', () => {
  const kernels = rank([354, 136135], [168, 25]);
  const far = rank([354, 9000], [168, 25]);
  expect(withoutDrift(far, kernels)).toEqual(far);
  const other = rank([354, 136135], [99, 25]);
  expect(withoutDrift(other, kernels)).toEqual(other);
});
