import { expect, test } from 'vitest';
import { keysOf } from '../../src/cli/verb/screen.ts';
import { columnsOf, fitted } from '../../src/render/width.ts';

test('recognises the keys that a terminal sends', () => {
  expect(keysOf('qQ')).toEqual(['q', 'Q']);
  expect(keysOf('\x1b[A\x1bOB\x1b[6~')).toEqual(['up', 'down', 'page-down']);
  expect(keysOf('\x03\x1a\r\t')).toEqual(['ctrl-c', 'ctrl-z', 'enter', 'tab']);
  expect(keysOf('\x1b')).toEqual(['escape']);
  // the view does not use Ctrl-F1; no byte of its sequence may be read as a letter
  expect(keysOf('a\x1b[1;5Pb')).toEqual(['a', 'b']);
});

test('counts the columns of a text', () => {
  expect(columnsOf('abc')).toBe(3);
  expect(columnsOf('日本')).toBe(4);
  expect(columnsOf('e\u0301')).toBe(1);
});

test('fitted() gives exactly this many columns', () => {
  expect(fitted('abc', 5)).toBe('abc  ');
  expect(fitted('abcdef', 4)).toBe('abc…');
  expect(fitted('/system.slice/web.service', 12, 'start')).toBe('…web.service');
  expect(fitted('日本語', 4)).toBe('日… ');
  for (const text of ['日本語x', 'abcdef', '', 'a日b本c']) {
    for (let columns = 1; columns < 9; columns++) {
      expect(columnsOf(fitted(text, columns))).toBe(columns);
      expect(columnsOf(fitted(text, columns, 'start'))).toBe(columns);
    }
  }
});
