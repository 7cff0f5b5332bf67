import { expect, test } from 'vitest';
import { cgroupAncestors, isWithin } from '../../src/text/cgroup-path.ts';

test('a cgroup is within itself and within each of its ancestors', () => {
  expect(isWithin('/a', '/a')).toBe(true);
  expect(isWithin('/a/b', '/a')).toBe(true);
  expect(isWithin('/a/b', '/')).toBe(true);
  expect(isWithin('/ab', '/a')).toBe(false);
  expect(isWithin('/a', '/a/b')).toBe(false);
  expect(isWithin(null, '/')).toBe(false);
});

test('lists a cgroup and its ancestors, the cgroup itself first', () => {
  expect(cgroupAncestors('/')).toEqual(['/']);
  expect(cgroupAncestors('/a')).toEqual(['/a', '/']);
  expect(cgroupAncestors('/a/b/c')).toEqual(['/a/b/c', '/a/b', '/a', '/']);
});
