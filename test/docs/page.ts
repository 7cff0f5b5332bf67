/** Reads the pages of the documentation, and extracts their links and code. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anchorOf } from '../../scripts/docs/markdown.ts';

export const ROOT = join(import.meta.dirname, '../..');

export interface Block {
  language: string;
  text: string;
}

export interface DocumentPage {
  /** The path, relative to the root of the repository. */
  path: string;
  lines: number;
  anchors: Set<string>;
  /** The targets of links and pictures, as they are written in the page. */
  links: string[];
  /** The code blocks between fences. */
  blocks: Block[];
  /** The code between backquotes in sentences. */
  codes: string[];
}

export const readPages = (): DocumentPage[] => globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT }).sort().map(readPage);

function readPage(path: string): DocumentPage {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, lines: text.split('\n').length - 1, ...parseMarkdown(text) };
}

export function parseMarkdown(text: string): Omit<DocumentPage, 'path' | 'lines'> {
  const blocks: Block[] = [];
  const prose = text.replaceAll(/^```(\w*)\n([\s\S]*?)^```$/gm, (_, language: string, code: string) => {
    blocks.push({ language, text: code });
    return '';
  });
  const codes = [...prose.matchAll(/(`+)(.+?)\1/gs)].map(([, , code = '']) => code.replaceAll('\\|', '|'));
  const words = prose.replaceAll(
    /(`+)(.+?)\1/gs,
    (_, fence: string, code: string) => fence + ' '.repeat(code.length) + fence,
  );
  return {
    anchors: anchorsOf(prose),
    links: [...words.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = '']) => target),
    blocks,
    codes,
  };
}

function anchorsOf(prose: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = anchorOf(heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}
