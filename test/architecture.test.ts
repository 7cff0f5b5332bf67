import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Source {
  path: string;
  code: string;
  /** Paths from the root, or names of packages. */
  imports: string[];
}

const sources: Source[] = globSync('src/**/*.ts', { cwd: root }).map((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const specifiers = [...code.matchAll(/(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
    ([, name = '']) => name,
  );
  const imports = specifiers.map((name) => (name.startsWith('.') ? normalize(join(dirname(path), name)) : name));
  return { path, code, imports };
});

const within = (folder: string) => sources.filter(({ path }) => path.startsWith(`src/${folder}/`));

function offenders(where: Source[], forbidden: (name: string) => boolean): string[] {
  return where.flatMap(({ path, imports }) => imports.filter(forbidden).map((name) => `${path} imports ${name}`));
}

test('the sources are found', () => {
  expect(sources.length).toBeGreaterThan(25);
  expect(sources.find(({ path }) => path === 'src/sources/tracer.ts')?.imports).toContain('src/model/error.ts');
});

test('the model imports nothing but itself', () => {
  expect(offenders(within('model'), (name) => !name.startsWith('src/model/'))).toEqual([]);
});

test('only libbpf and native.ts load native code', () => {
  const loads = /createRequire|ffi-napi|ref-napi|process\.dlopen|\.node['"`]/;
  const loaders = sources.filter(({ code }) => loads.test(code)).map(({ path }) => path);
  expect(loaders.filter((path) => !path.startsWith('src/libbpf/') && path !== 'src/native.ts')).toEqual([]);
  expect(loaders).toContain('src/native.ts');
});

test('policy decides on what it is given: no native code, no sources, no files', () => {
  const forbidden = /^(src\/(native\.ts|libbpf\/|kernel\/|sources\/)|node:fs)/;
  expect(offenders(within('policy'), (name) => forbidden.test(name))).toEqual([]);
});

test('nothing imports the command line but the command line', () => {
  const others = sources.filter(({ path }) => !path.startsWith('src/cli/'));
  expect(offenders(others, (name) => name.startsWith('src/cli/'))).toEqual([]);
});

test('libraries neither print nor exit', () => {
  const speaks = /\bconsole\.\w+\(|\bprocess\.(exit|abort)\(|\bprocess\.exitCode\b/;
  const others = sources.filter(({ path }) => !path.startsWith('src/cli/'));
  expect(others.filter(({ code }) => speaks.test(code)).map(({ path }) => path)).toEqual([]);
});

test('no file is longer than 450 lines', () => {
  const long = sources
    .filter(({ path }) => path !== 'src/wire/layout.ts')
    .flatMap(({ path }) => {
      const lines = readFileSync(join(root, path), 'utf8').split('\n').length - 1;
      return lines > 450 ? [`${path}: ${lines}`] : [];
    });
  expect(long).toEqual([]);
});
