/** The HTML around the script of the page. It has no data: the script fetches them with the token. */
import type { PageParts } from '../../explain/page/document.ts';

export function webDocument({ script, style, hashes, version }: PageParts): string {
  const policy = `default-src 'none'; style-src 'sha256-${hashes.style}'; script-src 'sha256-${hashes.script}'; connect-src 'self'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<title>oomscope</title>
<style>${style}</style>
</head>
<body class="web">
<a class="skip" href="#view">Skip to the content</a>
<header class="bar"><p class="brand"><b>oomscope</b> <span id="machine" class="dim">${version}</span></p>
<nav aria-label="Views"><a href="#/now">Now</a><a href="#/kills">Kills</a><a href="#/guard">Guard</a></nav>
<p id="connection" class="dim" role="status">Connecting</p></header>
<noscript><p>This page needs its script, which is part of it and loads nothing from other servers.</p></noscript>
<main id="view" tabindex="-1"><h1>Now</h1></main>
<script>${script}</script>
</body>
</html>
`;
}
