/**
 * Bundles native/ffi.cjs with ffi-napi and ref-napi: node scripts/bundle-ffi.ts OUTPUT_DIRECTORY
 *
 * The output directory gets ffi.cjs. The compiled parts, which are ffi_bindings.node and ref_bindings.node, must be
 * beside ffi.cjs when it is loaded.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const [given] = process.argv.slice(2);
if (given === undefined) throw new Error('usage: bundle-ffi.ts OUTPUT_DIRECTORY');
const root = join(import.meta.dirname, '..');
const output = resolve(given);
/** Both packages find their compiled part by this module, which searches the package's own folders for it. */
const FINDER = 'node-gyp-build';

/** What stands for two modules that cost 4 ms of each start: `debug`, of which nothing is shown, and Node's own `assert`. */
const lean: Record<string, string> = {
  debug: 'module.exports = () => () => {};',
  assert: `const assert = (ok, message) => {
  if (!ok) throw message instanceof Error ? message : new Error(message ?? 'ffi-napi: an assertion failed');
};
module.exports = Object.assign(assert, {
  equal: (a, b, message) => assert(a == b, message),
  strictEqual: (a, b, message) => assert(Object.is(a, b), message),
});`,
};

const bundle = await rolldown({
  cwd: root,
  input: 'native/ffi.cjs',
  platform: 'node',
  plugins: [
    {
      name: 'compiled parts beside the bundle',
      resolveId: (name, importer) => {
        if (name.endsWith('_bindings.node')) return { id: name, external: true };
        if (name in lean) return `\0${name}`;
        return name === FINDER ? `\0${importer?.includes('/ref-napi/') ? 'ref' : 'ffi'}` : null;
      },
      load: (id) => {
        const name = id.startsWith('\0') ? id.slice(1) : undefined;
        return name && (lean[name] ?? `module.exports = () => require('./${name}_bindings.node');`);
      },
    },
  ],
  onLog: (_level, log) => {
    throw new Error(log.message);
  },
});
const written = await bundle.write({ file: join(output, 'ffi.cjs'), format: 'cjs' });

const modules = written.output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
const packages = new Set(
  modules.map((id) => id.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]).filter((name) => name !== undefined),
);
// The compiled part of ffi-napi contains libffi.
const texts = [...packages].sort().map((name) => [name, licence(join(root, 'node_modules', name))]);
texts.push(['libffi', licence(join(root, 'node_modules/ffi-napi/deps/libffi'))]);
const licences = texts.map(([name, text]) => `${name}\n\n${text}`);
writeFileSync(join(output, 'LICENSE.ffi.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));

/** The text of the licence that a package ships, or else what its package.json declares. */
function licence(directory: string): string {
  for (const name of ['LICENSE', 'LICENSE.md', 'license.md', 'LICENCE']) {
    try {
      return readFileSync(join(directory, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  const { license, author } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  return `${license}, ${typeof author === 'string' ? author : (author?.name ?? dirname(directory))}\n`;
}
