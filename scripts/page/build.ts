/** Builds the page that explains kernel logs: one self-contained file that needs no server and sends no data. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { style } from '../../src/explain/html/style.ts';
import { pageDocument } from '../../src/explain/page/document.ts';
import { VERSION } from '../../src/version.ts';

const root = join(import.meta.dirname, '../..');

export async function buildPage(): Promise<string> {
  const bundle = await rolldown({
    cwd: root,
    input: 'src/explain/page/app.ts',
    platform: 'browser',
    transform: { target: 'es2023' },
    onLog: (_level, log) => {
      throw new Error(log.message);
    },
  });
  const { output } = await bundle.generate({ format: 'iife', minify: true });
  // "</script" in a string would end the element.
  const script = output[0].code.replaceAll('</script', '<\\/script');
  const hashes = { script: hash(script), style: hash(style) };
  return pageDocument({ script, style, hashes, version: VERSION });
}

const hash = (text: string) => createHash('sha256').update(text).digest('base64');
