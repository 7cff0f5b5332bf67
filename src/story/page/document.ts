/** The HTML around the script of a story. */
import { NO_ARCHIVE } from '../../explain/page/archive.ts';
import { type PageParts, policyOf } from '../../explain/page/document.ts';

export function storyDocument({ script, style, hashes, version }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policyOf(hashes)}">
<meta name="referrer" content="no-referrer">
<title>OOM kill</title>
<style>${style}</style>
</head>
<body>
<noscript><p>This page needs its script, which is part of the file and loads nothing.</p></noscript>
<main id="story"></main>
<footer><p class="dim">Written by oomscope ${version}. This file loads nothing and sends nothing.</p></footer>
${NO_ARCHIVE}
<script>${script}</script>
</body>
</html>
`;
}
