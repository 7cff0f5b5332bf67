/** Whether an element of a pattern matches a character, given by its code point. */
export type CharacterTest = (code: number) => boolean;

export const digit: CharacterTest = (c) => c >= 48 && c <= 57;
const upper: CharacterTest = (c) => c >= 65 && c <= 90;
const lower: CharacterTest = (c) => c >= 97 && c <= 122;
export const alpha: CharacterTest = (c) => upper(c) || lower(c);
const space: CharacterTest = (c) => c === 32 || (c >= 9 && c <= 13);
const word: CharacterTest = (c) => alpha(c) || digit(c) || c === 95;
export const not =
  (test: CharacterTest): CharacterTest =>
  (c) =>
    !test(c);
export const is =
  (wanted: number): CharacterTest =>
  (c) =>
    c === wanted;

/** The character classes that are written with a backslash, such as `\d`. */
export const escapes: Record<string, CharacterTest> = {
  d: digit,
  D: not(digit),
  w: word,
  W: not(word),
  s: space,
  S: not(space),
  t: is(9),
  n: is(10),
};

/** The POSIX character classes, such as `[:alpha:]`. */
export const classes: Record<string, CharacterTest> = {
  alpha,
  digit,
  upper,
  lower,
  space,
  alnum: (c) => alpha(c) || digit(c),
  blank: (c) => c === 32 || c === 9,
  punct: (c) => c > 32 && c < 127 && !alpha(c) && !digit(c),
  cntrl: (c) => c < 32 || c === 127,
  print: (c) => c >= 32 && c !== 127,
  graph: (c) => c > 32 && c !== 127,
  xdigit: (c) => digit(c) || (c >= 65 && c <= 70) || (c >= 97 && c <= 102),
};
