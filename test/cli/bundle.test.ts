/** The files of the bundle that a verb reads at its start: each costs some 0.7 ms of CPU time, and so the time until tracing begins. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it } from 'vitest';
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
  expect(read('trace.js').size).toBeLessThanOrEqual(4);
  expect(read('tracing.js').size).toBeLessThanOrEqual(3);
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
