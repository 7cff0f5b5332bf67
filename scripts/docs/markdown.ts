/** What the generated pages are made of. */

export interface Page {
  /** From the repository's root. */
  path: string;
  write: () => string | Promise<string>;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Text within a table: one line, a list with bullets, and no end of the cell in it. */
export const cell = (text = '') =>
  text
    .trim()
    .replaceAll('|', '\\|')
    .replaceAll(/\s*\n\s*- /g, '<br>• ')
    .replace(/^- /, '• ')
    .replaceAll(/\s+/g, ' ');

/** The anchor that GitHub gives a heading. */
export const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
