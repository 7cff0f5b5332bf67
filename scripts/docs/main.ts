/** Writes the generated pages: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pages } from './pages.ts';

for (const { path, text } of await pages()) {
  writeFileSync(join(import.meta.dirname, '../..', path), text);
  process.stderr.write(`docs: wrote ${path}\n`);
}
