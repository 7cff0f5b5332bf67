/** Measures the width of a text on a terminal, and cuts or pads it to a given width. */

// Wide characters of East Asian scripts, and most emoji, take two columns each.
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const none = /\p{Mn}|\p{Me}/u;

/** Number of columns that a text without colour codes takes on a terminal. */
export function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += none.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return columns;
}

/**
 * Returns a text of exactly this many columns: padded with spaces, or cut with an ellipsis.
 *
 * @param from which side is cut. 'start' keeps the end, which in a path says more
 */
export function fitted(text: string, columns: number, from: 'end' | 'start' = 'end'): string {
  const width = columnsOf(text);
  if (width <= columns) return text + ' '.repeat(columns - width);
  const characters = [...text];
  let rest = width;
  while (rest > columns - 1) rest -= columnsOf((from === 'end' ? characters.pop() : characters.shift()) ?? '');
  const kept = characters.join('');
  const padding = ' '.repeat(Math.max(0, columns - 1 - rest));
  return from === 'end' ? `${kept}…${padding}` : `…${kept}${padding}`;
}
