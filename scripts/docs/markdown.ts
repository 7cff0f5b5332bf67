/** Parts of the generated pages: tables, cells and anchors in Markdown. */

export interface Page {
  /** Path of the page, relative to the root of the repository. */
  path: string;
  write: () => string | Promise<string>;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Text for a table cell: on one line, with bullets for a list, and with "|" escaped. */
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
