/** The HTML around the script of the page. It has no data: the script fetches them with the token. */
import { htmlDocument, type PageParts } from '../../text/html-document.ts';

export function webDocument(parts: PageParts): string {
  return htmlDocument(parts, {
    title: 'oomscope',
    bodyClass: 'web',
    mayConnect: true,
    body: `<a class="skip" href="#view">Skip to the content</a>
<header class="bar"><p class="brand"><b>oomscope</b> <span id="machine" class="dim">${parts.version}</span></p>
<nav aria-label="Views"><a href="#/now">Now</a><a href="#/kills">Kills</a><a href="#/guard">Guard</a></nav>
<p id="connection" class="dim" role="status">Connecting</p></header>
<noscript><p>This page needs its script, which is part of it and loads nothing from other servers.</p></noscript>
<main id="view" tabindex="-1"><h1>Now</h1></main>`,
  });
}
