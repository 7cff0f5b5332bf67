/** The files of the bundle that a verb reads at its start: each costs some 0.7 ms of CPU time, and so the time until tracing begins. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { withoutImports } from '../../scripts/lean-builtins.ts';
import { MAIN } from './cli.ts';

const directory = dirname(MAIN);

/** A file of the bundle and the files that it imports, directly and indirectly, and not by import(). */
function read(name: string, reached = new Set<string>()): Set<string> {
  if (reached.has(name)) return reached;
  reached.add(name);
  const code = readFileSync(join(directory, name), 'utf8');
  for (const [, imported] of code.matchAll(/^import (?:.* from )?"\.\/([^"]+)";$/gm)) read(imported as string, reached);
  return reached;
}

it('reads few files for the help, and for a verb that traces', () => {
  expect([...read('main.js')]).toHaveLength(2);
  expect(read('tracing.js').size).toBeLessThanOrEqual(4);
});

it('starts a thread that is not a second run of the command', async () => {
  const command = read('main.js');
  for (const thread of ['history-worker.js', 'history-reader.js', 'log-import.js'])
    expect([...read(thread)].filter((file) => command.has(file))).toEqual([]);
  const history = join(mkdtempSync(join(tmpdir(), 'oomscope-thread-')), 'history.db');
  onTestFinished(() => rmSync(dirname(history), { recursive: true }));
  const workerData = { path: history, maxAgeMs: 1e9, maxBytes: 1e8 };
  const worker = new Worker(join(directory, 'history-worker.js'), { workerData, stderr: true });
  let said = '';
  worker.stderr.on('data', (text) => (said += text));
  expect(await once(worker, 'message')).toMatchObject([{ was: 'opened' }]);
  worker.postMessage({ do: 'close' });
  await once(worker, 'exit');
  expect(said).toBe('');
});

it('imports no module of Node itself, because that loads what the module exports, too', () => {
  for (const file of globSync(join(directory, '*.js'))) {
    expect(readFileSync(file, 'utf8').match(/^(import|export) .*"node:.*/m)?.[0], basename(file)).toBeUndefined();
  }
});

it('keeps the names of what an import brought', () => {
  expect(withoutImports('import { join, sep as slash } from "node:path";')).toBe(
    'const { join, sep: slash } = process.getBuiltinModule("node:path");',
  );
  expect(withoutImports('import "node:os";\nuse();')).toBe('use();');
  expect(withoutImports('await import("node:sqlite")')).toBe('await import("node:sqlite")'); // has no facade, may be missing
  expect(withoutImports('await import("node:fs")')).toContain('process.getBuiltinModule("node:fs")');
});

it('loads no promises of the file system to print its version', () => {
  const script = `process.argv[2] = '--version';
    await import(${JSON.stringify(MAIN)});
    process.on('exit', () => console.log(process.moduleLoadList.includes('NativeModule internal/fs/promises')));`;
  const plain = execFileSync(process.execPath, ['--input-type=module', '-e', script, 'oomscope', '--version'], {
    encoding: 'utf8',
  });
  expect(plain).toMatch(/^oomscope [\d.]+\nfalse\n$/);
});
