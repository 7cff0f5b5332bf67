/**
 * Bundles the command: node scripts/bundle.ts OUTPUT_DIRECTORY
 *
 * The library imports `rxjs` as a peer. The command has its own copy in the bundle, without the parts that it does not
 * use: all of RxJS costs 11 MB and 60 ms. Each verb has its own chunk, so that a verb loads little more than the code
 * that it needs (chunks.ts). Nothing is minified: a stack trace names the functions of the sources.
 *
 * `explain --html` and `history show --html` fill in the pages that are written beside the chunks.
 *
 * Every chunk lies in the output directory itself: native/addon.ts finds build/ two folders above.
 */
import { copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type InputOptions, rolldown } from 'rolldown';
import { chunkGroups } from './chunks.ts';
import { leanBuiltins } from './lean-builtins.ts';
import { buildPage, buildStoryPage, buildWebPage } from './page/build.ts';

const [given] = process.argv.slice(2);
if (given === undefined) throw new Error('usage: bundle.ts OUTPUT_DIRECTORY');
const root = join(import.meta.dirname, '..');
const output = resolve(given);

const common: InputOptions = {
  cwd: root,
  external: [/^node:/],
  plugins: [leanBuiltins],
  // For Node, RxJS names CommonJS files, from which nothing can be left out. Rolldown adds that condition itself
  // if the platform is `node`.
  platform: 'neutral',
  resolve: { conditionNames: ['es2015', 'import', 'default'] },
  // Node 22 does not know `using`.
  transform: { target: 'es2024' },
  // A module of a group of chunks.ts comes with its group, whether or not a verb imports it later.
  checks: { ineffectiveDynamicImport: false },
  onLog: (_level, log) => {
    throw new Error(log.message);
  },
};
/** Other comments would be a fifth of what Node reads at each start. */
const comments = { legal: true, annotation: false, jsdoc: false };
const bundle = await rolldown({ ...common, input: { main: 'src/cli/main.ts' } });
/**
 * Threads share no file with the command: a file of the command has code of many modules, and with main.ts a thread would
 * run the command itself.
 */
const threads = await rolldown({
  ...common,
  input: {
    'history-worker': 'src/history/history-worker.ts',
    'history-reader': 'src/history/history-reader.ts',
    'log-import': 'src/history/log-import.ts',
  },
});

// The output is written to a new directory, which then replaces the old one, so that a command that runs meanwhile
// still finds its chunks.
const fresh = `${output}.${process.pid}.new`;
const old = `${output}.${process.pid}.old`;
try {
  const written = await bundle.write({
    dir: fresh,
    format: 'esm',
    chunkFileNames: '[name].js',
    comments,
    codeSplitting: { groups: chunkGroups },
  });
  await threads.write({ dir: fresh, format: 'esm', chunkFileNames: 'thread-[name].js', comments });
  const modules = written.output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []));
  const whole = modules.find((id) => id.includes('/rxjs/dist/cjs/'));
  if (whole !== undefined) throw new Error(`expected only the used parts of RxJS in the bundle, got ${whole}`);
  writeFileSync(join(fresh, 'page.html'), await buildPage());
  writeFileSync(join(fresh, 'story.html'), await buildStoryPage());
  writeFileSync(join(fresh, 'web.html'), await buildWebPage());
  copyFileSync(join(root, 'node_modules/rxjs/LICENSE.txt'), join(fresh, 'LICENSE.rxjs.txt'));
  copyFileSync(join(root, 'node_modules/smol-toml/LICENSE'), join(fresh, 'LICENSE.smol-toml.txt'));
  copyFileSync(join(root, 'node_modules/uplot/LICENSE'), join(fresh, 'LICENSE.uplot.txt'));
  renameIfThere(output, old);
  renameSync(fresh, output);
} finally {
  rmSync(fresh, { recursive: true, force: true });
  rmSync(old, { recursive: true, force: true });
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
