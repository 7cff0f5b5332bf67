/** Built from a string, because a pattern literal may not hold an escape character. */
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** The text without terminal colours. An escape inside a name has been escaped by whatever wrote the log. */
export const withoutColours = (text: string) => (text.includes('\x1b[') ? text.replaceAll(COLOURS, '') : text);
