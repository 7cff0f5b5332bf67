/** How wide a text is on a terminal, and how it is made to fit. */

// Wide in East Asian scripts, and most emoji: two columns each.
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const none = /\p{Mn}|\p{Me}/u;

/** Columns that a text without colours takes on a terminal. */
export function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += none.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return columns;
}

/**
 * A text in exactly this many columns: padded, or cut with an ellipsis.
 *
 * @param from where it is cut. 'start' keeps the end, which in a path tells more
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
