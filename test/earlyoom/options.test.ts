import { expect, it, test } from 'vitest';
import { EarlyoomExit, type EarlyoomLog } from '../../src/earlyoom/log.ts';
import { namePattern } from '../../src/earlyoom/name-pattern.ts';
import { readEarlyoom } from '../../src/earlyoom/options.ts';
import { fixed, strtod } from '../../src/text/c-number.ts';

const memory = { totalKib: 1_000_000, swapTotalKib: 0 };

/** What is read, the exit status, and the lines. */
function read(...argv: string[]) {
  let said = '';
  const take = (text: string) => {
    said += text;
  };
  const log: EarlyoomLog = {
    ...{ debugging: false, plain: take, warn: take, info: take, debug: take, useSyslog: () => {} },
    fatal: (exitCode, text) => {
      take(`fatal: ${text}`);
      throw new EarlyoomExit(exitCode, text);
    },
  };
  try {
    return { asked: readEarlyoom(argv, memory, log), said };
  } catch (error) {
    return { exit: (error as EarlyoomExit).exitCode, said };
  }
}

// As earlyoom 1.8.2 writes them; test/lab/earlyoom-lines.test.ts compares many more with the real program.
it.each<[string[], number, string]>([
  [['-m', '0'], 15, 'fatal: -m: both SIGTERM and SIGKILL values are zero'],
  [['-m', '100'], 15, 'fatal: -m: value 100.000000 exceeds limit 99'],
  [['-m', '5%'], 15, "fatal: -m: trailing garbage '%'"],
  [['-m', '1e999'], 15, 'fatal: -m: conversion error: Numerical result out of range'],
  [['-M', '99999999999'], 15, 'fatal: -M: value 99999999999.000000 exceeds limit 1010101'],
  [['-s', '-1'], 16, 'fatal: -s: value -1.000000 below zero'],
  [['-r', '-1'], 14, "fatal: -r: invalid interval '-1'\n"],
  [['--prefer', '('], 6, "fatal: could not compile regexp '('\n"],
  [['xyz'], 13, "fatal: extra argument not understood: 'xyz'\n"],
  [['-x'], 13, "earlyoom: invalid option -- 'x'\nTry 'earlyoom --help' for more information.\n"],
  [['-i', '-v', '-m', '0'], 0, 'Option -i is ignored since earlyoom v1.7\n'],
])('%j ends with %d', (argv, exit, said) => {
  expect(read(...argv)).toEqual({ exit, said });
});

it.each<[string[], [number, number]]>([
  [[], [10, 5]],
  [
    ['-m', '5,'],
    [5, 0],
  ],
  [
    ['-m', '0x10'],
    [16, 8],
  ],
  [
    ['-m', '1e1'],
    [10, 5],
  ],
  [
    ['-M', '200000,50000'],
    [20, 5],
  ],
  [
    ['-m', '50', '-M', '200000'],
    [20, 10],
  ],
])('%j sets the thresholds %j', (argv, thresholds) => {
  expect(read(...argv).asked?.memory).toEqual(thresholds);
});

test('SIGKILL above SIGTERM raises SIGTERM, with a warning', () => {
  const { asked, said } = read('-m', ',5');
  expect(asked?.memory).toEqual([5, 5]);
  expect(said).toBe('warning: SIGTERM value 0.00 is below SIGKILL value 5.00, setting SIGTERM = SIGKILL = 5.00\n');
});

it.each([
  ['0x1p-1z', 0.5, 'z', false],
  ['-inf', Number.NEGATIVE_INFINITY, '', false],
  ['.5e1', 5, '', false],
  ['', 0, '', false],
  ['x', 0, 'x', false],
  ['1e', 1, 'e', false],
  ['1e-400', 0, '', true],
  ['0e-400', 0, '', false],
])('strtod(%j)', (text, value, rest, outOfRange) => {
  expect(strtod(text)).toEqual({ value, rest, outOfRange });
});

it.each([
  [0.125, 2, 0, '0.12'],
  [0.375, 2, 0, '0.38'],
  [2.675, 2, 0, '2.67'],
  [5, 2, 6, '  5.00'],
  [1e30, 1, 0, '1000000000000000019884624838656.0'],
  [Number.NaN, 2, 5, '  nan'],
])('fixed(%d, %d, %d)', (value, digits, width, text) => {
  expect(fixed(value, digits, width)).toBe(text);
});

it.each<[string, string[], string[]]>([
  ['^(sshd|X)$', ['sshd', 'X'], ['Xorg', 'ssh']],
  ['a)', ['a)'], ['a']],
  ['[\\d]', ['\\', 'd'], ['1']],
  ['\\d', ['d'], ['1']],
  ['^.{2}$', ['ü', 'ab'], ['a', 'üb']],
  ['a{,2}b', ['b'], ['a']],
  ['[[=a=][.-.]x]', ['a', '-', 'x'], ['b', '.']],
  ['[+--]', ['+', ',', '-'], ['.', '*']],
  ['', ['anything'], []],
  ['^(.)(.)\\2\\1$', ['abba', 'xxxx'], ['abab']],
  ['\\<web\\>', ['web', 'my-web'], ['webber', 'cobweb']],
  ['([[:digit:]])\\1', ['a22', '00'], ['12', 'aa']],
])('the pattern %j', (source, matching, others) => {
  const pattern = namePattern(source);
  expect(matching.filter((name) => !pattern.test(name))).toEqual([]);
  expect(others.filter((name) => pattern.test(name))).toEqual([]);
});
