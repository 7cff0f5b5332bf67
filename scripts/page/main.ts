/**
 * Writes the page that explains a pasted kernel log:
 *
 *   npm run page -- [FILE]      (default: build/explain.html)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { buildPage } from './build.ts';

const output = resolve(process.argv[2] ?? join(import.meta.dirname, '../../build/explain.html'));
const page = await buildPage();
mkdirSync(dirname(output), { recursive: true });
writeFileSync(output, page);
process.stdout.write(`page: wrote ${output}, ${Math.round(Buffer.byteLength(page) / 1024)} KiB\n`);
