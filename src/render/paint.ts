/** Puts a style on a text that goes to a terminal, or leaves it as it is. */
export type Paint = (style: 'bold' | 'dim' | 'red' | 'yellow' | 'green', text: string) => string;

const codes = { bold: 1, dim: 2, red: 31, yellow: 33, green: 32 } as const;

export const coloured: Paint = (style, text) => `\x1b[${codes[style]}m${text}\x1b[0m`;
export const plain: Paint = (_, text) => text;
