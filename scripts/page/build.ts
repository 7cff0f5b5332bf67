/** Builds the pages: each is one self-contained file that loads nothing. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { style } from '../../src/explain/html/style.ts';
import { pageDocument } from '../../src/explain/page/document.ts';
import { storyDocument } from '../../src/story/page/document.ts';
import { storyStyle } from '../../src/story/style.ts';
import type { PageParts } from '../../src/text/html-document.ts';
import { VERSION } from '../../src/version.ts';
import { webDocument } from '../../src/web/page/document.ts';
import { webStyle } from '../../src/web/page/style.ts';

const root = join(import.meta.dirname, '../..');

/** The page that explains kernel logs. */
export async function buildPage(): Promise<string> {
  return pageDocument(await partsOf('src/explain/page/app.ts', style));
}

/** The page of one kill's story, for `history show --html`. */
export async function buildStoryPage(): Promise<string> {
  return storyDocument(await partsOf('src/story/page/app.ts', style + storyStyle));
}

/** The page of `oomscope web`. */
export async function buildWebPage(): Promise<string> {
  const charts = readFileSync(join(root, 'node_modules/uplot/dist/uPlot.min.css'), 'utf8');
  return webDocument(await partsOf('src/web/page/app.ts', style + storyStyle + charts + webStyle, afterFirstPaint));
}

/**
 * Lets the browser paint the head of the page before the script runs, which takes longer than everything before it. A page in the
 * background is not painted.
 */
const afterFirstPaint = (script: string) =>
  `{const run=()=>{${script}};document.hidden?run():requestAnimationFrame(()=>setTimeout(run))}`;

async function partsOf(input: string, sheet: string, wrapped = (script: string) => script): Promise<PageParts> {
  const bundle = await rolldown({
    cwd: root,
    input,
    platform: 'browser',
    transform: { target: 'es2023' },
    onLog: (_level, log) => {
      throw new Error(log.message);
    },
  });
  const { output } = await bundle.generate({ format: 'iife', minify: true });
  // "</script" in a string would end the element.
  const script = wrapped(output[0].code).replaceAll('</script', '<\\/script');
  return { script, style: sheet, hashes: { script: hash(script), style: hash(sheet) }, version: VERSION };
}

const hash = (text: string) => createHash('sha256').update(text).digest('base64');
