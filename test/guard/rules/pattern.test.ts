import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Pattern, PatternError } from '../../../src/guard/rules/pattern.ts';

const matches = (source: string, text: string) => new Pattern(source).test(text);

describe('syntax', () => {
  it.each([
    ['chrome', 'a chrome b', true],
    ['^chrome$', 'chrome', true],
    ['^chrome$', 'chrome2', false],
    ['^(init|systemd)$', 'systemd', true],
    ['(^|/)(init|X|sshd)$', '/usr/sbin/sshd', true],
    ['^init|^systemd', 'my systemd', false],
    ['[[:digit:]]{2,3}x', 'a12x', true],
    ['[^a-c]', 'abc', false],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
    ['a{2}b', 'aab', true],
    ['a{2}b', 'ab', false],
    ['a{,2}', 'a{,2}', true],
    ['\\.js$', 'a.js', true],
    ['\\d+\\s\\w', '12 x', true],
    ['^$', '', true],
    ['^$', 'x', false],
    ['', 'anything', true],
    ['a|', 'zzz', true],
    ['^(a*)*$', 'aaaa', true],
    ['^.$', '💥', true],
    ['^.$', '\n', true],
  ])('%s on %j: %s', (source, text, expected) => {
    expect(matches(source, text)).toBe(expected);
  });

  it.each([
    ['(', 'expected ")"'],
    [')', 'expected "("'],
    ['[a', 'expected "]"'],
    ['*a', 'which repeats the expression'],
    ['(?=a)', 'look-around'],
    ['(?i)a', 'flags'],
    ['(a)\\1', 'back-references'],
    ['\\q', 'is not supported'],
    ['a\\', 'after the last'],
    ['a{3,2}', 'LEAST'],
    ['[z-a]', 'in ascending order'],
    ['[[:alfa:]]', 'expected one of alpha'],
    ['[[:constructor:]]', 'expected one of alpha'],
    ['((a{900}){900}){900}', 'at most 2000 states'],
    ['('.repeat(5000), 'at most 100 deep'],
  ])('refuses %s', (source, part) => {
    expect(() => new Pattern(source)).toThrow(PatternError);
    expect(() => new Pattern(source)).toThrow(part);
  });
});

test('matches in milliseconds a pattern and text for which a backtracking matcher would need years', () => {
  expect(matches('^(a+)+$', `${'a'.repeat(4096)}b`)).toBe(false);
  expect(matches('(a|a)*(a|a)*(a|a)*$c', 'a'.repeat(4096))).toBe(false);
  expect(matches('.*.*.*.*.*=.*=.*=x', '='.repeat(4096))).toBe(false);
});

test('agrees with JavaScript RegExp on the syntax that both support', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', 'ba', '^', '$');
  const pattern = fc.letrec<{ any: string }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('any'), tie('any')).map(([a, b]) => a + b),
      fc.tuple(tie('any'), tie('any')).map(([a, b]) => `(${a}|${b})`),
      fc.tuple(tie('any'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}')).map(([a, q]) => `(${a})${q}`),
    ),
  })).any;
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 12 });
  fc.assert(
    fc.property(pattern, text, (source, given) => {
      expect(matches(source, given)).toBe(new RegExp(source, 's').test(given));
    }),
    { numRuns: 3000 },
  );
});

test('gives the same answer for the same text, whichever texts were tested before', () => {
  const pattern = new Pattern('^x[[:alnum:]]*y$');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (given) => {
      expect(pattern.test(given)).toBe(/^x[A-Za-z0-9]*y$/s.test(given));
      expect(pattern.test(`x${given.replaceAll(/[^A-Za-z0-9]/g, '')}y`)).toBe(true);
    }),
  );
});

describe('the length of the shortest text that a pattern may match', () => {
  it.each([
    ['^gnome-session-binary$', 20],
    ['a{3}|bb', 2],
    ['x*', 0],
    ['', 0],
    ['(a|^b)c', 2],
    ['^$', 0],
    ['a^b', Number.POSITIVE_INFINITY],
    ['$a', Number.POSITIVE_INFINITY],
    ['^a$b|c', 1],
  ])('%s: %d', (source, length) => {
    expect(new Pattern(source).leastLength).toBe(length);
  });
});
