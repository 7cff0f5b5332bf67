/**
 * Writes the page that explains a pasted kernel log: one self-contained file that needs no server and sends no data.
 *
 *   npm run page -- [FILE]      (default: build/explain.html)
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';
import { style } from '../../src/explain/render/html-style.ts';
import { VERSION } from '../../src/version.ts';

const MOST_BYTES = 400 * 1024;
const root = join(import.meta.dirname, '../..');
const output = resolve(process.argv[2] ?? join(root, 'build/explain.html'));

const bundle = await rolldown({
  cwd: root,
  input: 'scripts/page/app.ts',
  platform: 'browser',
  transform: { target: 'es2022' },
  onLog: (_level, log) => {
    throw new Error(log.message);
  },
});
const { output: chunks } = await bundle.generate({ format: 'iife', minify: true });
// "</script" in a string would end the element.
const script = chunks[0].code.replaceAll('</script', '<\\/script');
const hash = createHash('sha256').update(script).digest('base64');
const form = `
textarea { width: 100%; min-height: 12rem; font: .85rem/1.4 ui-monospace, monospace; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: .6rem; }
.actions { display: flex; gap: .8rem; flex-wrap: wrap; align-items: center; margin: .6rem 0; }
button { font: inherit; padding: .35rem 1rem; border-radius: 6px; border: 1px solid var(--blue); background: var(--blue); color: var(--paper); cursor: pointer; }
`;
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>Explain an OOM report</title>
<style>${style}${form}</style>
</head>
<body>
<header><h1>Explain an OOM report</h1><p class="dim">oomscope ${VERSION}. The log stays in this page: its policy allows no connection.</p></header>
<main>
<p><label for="log">Paste a kernel log, whole or in part: dmesg, syslog, journalctl, or what a colleague sent.</label></p>
<textarea id="log" spellcheck="false" autocomplete="off"></textarea>
<div class="actions"><button id="explain" type="button">Explain</button><label>or open a file: <input id="file" type="file"></label><span id="status" class="dim" role="status"></span></div>
<div id="results"></div>
</main>
<script>${script}</script>
</body>
</html>
`;
const bytes = Buffer.byteLength(page);
if (bytes > MOST_BYTES) throw new Error(`The page has ${bytes} bytes; the limit is ${MOST_BYTES}.`);
mkdirSync(dirname(output), { recursive: true });
writeFileSync(output, page);
process.stdout.write(`page: wrote ${output}, ${Math.round(bytes / 1024)} KiB\n`);
