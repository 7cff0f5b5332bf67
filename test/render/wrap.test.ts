import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnsOf } from '../../src/render/width.ts';
import { hanging, wrapped } from '../../src/render/wrap.ts';

test('breaks a text between words, and never within a word', () => {
  expect(wrapped('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrapped('one extraordinarily two', 7)).toEqual(['one', 'extraordinarily', 'two']);
  expect(wrapped('', 7)).toEqual(['']);
  expect(wrapped('日本 語', 4)).toEqual(['日本', '語']);
});

test('indents each line except the first', () => {
  expect(`KEY  ${hanging('one two three', 13, 5)}`).toBe('KEY  one two\n     three');
});

test('keeps every word, and makes no line longer than requested', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 });
  fc.assert(
    fc.property(words, fc.integer({ min: 9, max: 40 }), (given, columns) => {
      const lines = wrapped(given.join(' '), columns);
      expect(lines.join(' ')).toBe(given.join(' '));
      for (const line of lines) expect(columnsOf(line)).toBeLessThanOrEqual(columns);
    }),
  );
});
