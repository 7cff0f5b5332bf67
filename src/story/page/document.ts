/** The HTML around the script of a story. */
import { NO_ARCHIVE } from '../../explain/page/archive.ts';
import { htmlDocument, type PageParts } from '../../text/html-document.ts';

export function storyDocument(parts: PageParts): string {
  return htmlDocument(parts, {
    title: 'OOM kill',
    body: `<noscript><p>This page needs its script, which is part of the file and loads nothing.</p></noscript>
<main id="story"></main>
<footer><p class="dim">Written by oomscope ${parts.version}. This file loads nothing and sends nothing.</p></footer>
${NO_ARCHIVE}`,
  });
}
