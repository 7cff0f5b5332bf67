import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decode, printable, splitNul, untilNul } from '../../src/text/printable.ts';

// Lists the characters one by one, because the tested code uses Unicode properties.
const dangerous =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the test searches for them
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff]|[\u{e0001}\u{e0020}-\u{e007f}]/u;

test('valid UTF-8 is decoded unchanged, also a byte order mark', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const wellFormed = text.toWellFormed();
      expect(decode(Buffer.from(wellFormed))).toEqual({ text: wellFormed, hex: undefined });
    }),
  );
  expect(decode(Buffer.from('\ufeffx')).text).toBe('\ufeffx');
});

test('bytes that are not valid UTF-8 are also returned in hexadecimal', () => {
  expect(decode(Uint8Array.of(0x61, 0xff, 0x62))).toEqual({ text: 'a\ufffdb', hex: '61ff62' });
  // A surrogate, an overlong slash, a truncated sequence.
  for (const bytes of [
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0xe2, 0x82],
  ]) {
    const { text, hex } = decode(Uint8Array.from(bytes));
    expect(text).toContain('\ufffd');
    expect(hex).toBe(Buffer.from(bytes).toString('hex'));
  }
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const { text, hex } = decode(bytes);
      expect(Buffer.from(hex ?? '', 'hex').equals(hex === undefined ? Buffer.alloc(0) : Buffer.from(bytes))).toBe(true);
      if (hex === undefined) expect(Buffer.from(text)).toEqual(Buffer.from(bytes));
    }),
  );
});

test('untilNul ends at the first NUL, or at the end', () => {
  expect(untilNul(Buffer.from('ab\0cd\0'))).toEqual(Buffer.from('ab'));
  expect(untilNul(Buffer.from('\0cd'))).toHaveLength(0);
  expect(untilNul(Buffer.from('full'))).toEqual(Buffer.from('full'));
});

test('splitNul gives back the parts that were joined', () => {
  const text = (bytes: string) => splitNul(Buffer.from(bytes)).map((part) => Buffer.from(part).toString());
  expect(text('')).toEqual([]);
  expect(text('\0')).toEqual(['']);
  expect(text('a\0b\0')).toEqual(['a', 'b']);
  expect(text('a\0b')).toEqual(['a', 'b']);
  expect(text('a\0\0b\0')).toEqual(['a', '', 'b']);
  const part = fc.uint8Array({ max: 255, min: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const joined = Buffer.concat(parts.flatMap((each) => [each, Uint8Array.of(0)]));
      expect(splitNul(joined).map((each) => Buffer.from(each))).toEqual(parts.map((each) => Buffer.from(each)));
    }),
  );
});

test('printable leaves no character that moves the cursor, breaks the line or reorders text', () => {
  expect(printable('\x1b[31mred\x07\r\n\t\x7f\x9b')).toBe('\\x1b[31mred\\x07\\x0d\\x0a\\x09\\x7f\\x9b');
  expect(printable('a\u202etxt.exe\u2066\u2028')).toBe('a\\u{202e}txt.exe\\u{2066}\\u{2028}');
  expect(printable('\u{e0041}')).toBe('\\u{e0041}');
  for (let code = 0; code < 0x110000; code++) {
    const shown = printable(String.fromCodePoint(code));
    if (dangerous.test(shown)) expect.fail(`U+${code.toString(16)} is let through`);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(dangerous);
      expect(printable(text).isWellFormed()).toBe(true);
      expect(printable(printable(text))).toBe(printable(text));
    }),
  );
});

test('printable does not change ordinary text, in any script', () => {
  for (const text of [
    'node',
    'kworker/0:1-events',
    '名前',
    'имя',
    'Ελλάδα',
    'שם',
    '🔥',
    'a b',
    '(sd-pam)',
    'e\u0301',
  ]) {
    expect(printable(text)).toBe(text);
  }
});
