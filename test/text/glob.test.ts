import { expect, test } from 'vitest';
import { cgroupMatch, globMatch } from '../../src/text/glob.ts';

test('* matches any number of characters, ? matches one, and the whole text must match', () => {
  expect(['', '*', '**', 'a*c', '?b?', 'abc'].map((pattern) => globMatch(pattern, 'abc'))).toEqual([
    false,
    true,
    true,
    true,
    true,
    true,
  ]);
  expect(globMatch('/a/*/c', '/a/b/x/c')).toBe(true);
  expect(globMatch('*ab', 'aab')).toBe(true);
  expect(globMatch('a?', 'a')).toBe(false);
  expect(globMatch('', '')).toBe(true);
});

test('a hostile pattern does not take exponential time', () => {
  expect(globMatch(`${'*a'.repeat(50)}b`, 'a'.repeat(5000))).toBe(false);
});

test('the pattern of a cgroup matches the cgroups below it, too', () => {
  expect(cgroupMatch('/shop', '/shop')).toBe(true);
  expect(cgroupMatch('/shop', '/shop/web')).toBe(true);
  expect(cgroupMatch('/shop*', '/shop-2/web')).toBe(true);
  expect(cgroupMatch('/shop', '/shop-2')).toBe(false);
  expect(cgroupMatch('/shop/web', '/shop')).toBe(false);
  expect(['/', '/shop', '/shop/web'].every((path) => cgroupMatch('/', path))).toBe(true);
});
