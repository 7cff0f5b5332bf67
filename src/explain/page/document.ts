/** The HTML around the script of the page. */
import { htmlDocument, type PageParts } from '../../text/html-document.ts';
import { NO_ARCHIVE } from './archive.ts';

export function pageDocument(parts: PageParts): string {
  return htmlDocument(parts, {
    title: 'Explain an OOM report',
    body: `<a class="skip" href="#results">Skip to the results</a>
<header><h1>Explain an OOM report</h1><p class="dim">oomscope ${parts.version}. The log stays in this page: its policy allows no connection.</p></header>
<noscript><p>This page needs its script, which is part of the file and loads nothing.</p></noscript>
<details id="input" open><summary>A log to read</summary>
<p><label for="log">Paste a kernel log, whole or in part: dmesg, syslog, journalctl, or what a colleague sent. Files can be dropped anywhere on the page.</label></p>
<textarea id="log" spellcheck="false" autocomplete="off"></textarea>
<div class="actions"><button id="explain" type="button">Explain</button><button id="example" type="button">Show an example</button><label>or open files: <input id="file" type="file" multiple></label></div>
</details>
<p id="status" class="dim" role="status"></p>
<div class="columns">
<nav aria-label="Contents"><details id="list"><summary>Contents</summary><div id="contents"></div></details></nav>
<main id="results" tabindex="-1"></main>
</div>
${NO_ARCHIVE}`,
  });
}
