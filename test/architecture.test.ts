import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

/**
 * The folders of src/, lowest first. A file may import from its own folder and from the folders before it in this list.
 * Imports of types count, too. The two files in src/ itself are `(root)/NAME`.
 */
const FLOORS = [
  'model',
  'survivors',
  'kernel-facts',
  'text',
  '(root)/version.ts',
  'native',
  'bpf/libbpf',
  'linux',
  'bpf/wire',
  'bpf/load',
  'series',
  'events',
  'stream',
  'testing',
  'process',
  'containers',
  'memory',
  'scores',
  'render',
  'explain/lines',
  'explain/input',
  'explain/report',
  'explain/glossary',
  'explain/verdict',
  'explain',
  'explain/render',
  'killers',
  'explain/html',
  'explain/page',
  'pressure',
  'tracer',
  'http',
  'alerts/sinks',
  'alerts',
  'nats',
  'publish',
  'fleet',
  'container-watch',
  'guard/steps',
  'guard/rules',
  'guard/senses',
  'guard/ladder',
  'guard/arming',
  'guard',
  'metrics',
  'otlp',
  'kubernetes',
  'earlyoom',
  'protect',
  'story',
  'story/page',
  'history',
  'web',
  'web/page',
  'config',
  'config/import',
  'doctor',
  'daemon',
  'demo',
  '(root)/index.ts',
  'cli/verb',
  'cli/verbs/alert',
  'cli/verbs/demo',
  'cli/verbs/docker',
  'cli/verbs/doctor',
  'cli/verbs/explain',
  'cli/verbs/fleet',
  'cli/verbs/guard',
  'cli/verbs/k8s',
  'cli/verbs/history',
  'cli/verbs/metrics',
  'cli/verbs/pressure',
  'cli/verbs/protect',
  'cli/verbs/run',
  'cli/verbs/scores',
  'cli/verbs/systemd',
  'cli/verbs/tree',
  'cli/verbs/web',
  'cli/verbs',
  'cli',
];
const GENERATED = 'src/bpf/wire/layout.ts';
const MOST_LINES = 300;

const root = join(import.meta.dirname, '..');

interface Source {
  path: string;
  code: string;
  lines: number;
  /** Paths from the root, or names of packages. */
  imports: string[];
  /** The imports that still exist at run time, that is, without imports of types. */
  values: string[];
}

const sources: Source[] = globSync('src/**/*.ts', { cwd: root }).map((path) => {
  const text = readFileSync(join(root, path), 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const resolved = (name: string) => (name.startsWith('.') ? normalize(join(dirname(path), name)) : name);
  const importsOf = (from: string) =>
    [...from.matchAll(/(?:from|import|require)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, name = '']) => resolved(name));
  const imports = importsOf(code);
  const values = importsOf(code.replace(/^(?:import|export) type [^;]*;/gm, ''));
  return { path, code, lines: text.split('\n').length - 1, imports, values };
});

const within = (folder: string) => sources.filter(({ path }) => path.startsWith(`src/${folder}/`));
const isSource = (name: string) => name.startsWith('src/') && name.endsWith('.ts');

function folderOf(path: string): string {
  const folder = dirname(path).replace(/^src\/?/, '');
  return folder === '' ? `(root)/${path.slice('src/'.length)}` : folder;
}

function offenders(where: Source[], forbidden: (name: string) => boolean): string[] {
  return where.flatMap(({ path, imports }) => imports.filter(forbidden).map((name) => `${path} imports ${name}`));
}

/** The nodes of the first cycle found, or none. @param graph from a node to those it points at */
function cycleIn(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return [];
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle.length > 0) return cycle;
    }
    path.pop();
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

test('the test reads the source files and their imports', () => {
  expect(sources.length).toBeGreaterThan(25);
  expect(sources.find(({ path }) => path === 'src/tracer/tracer.ts')?.imports).toContain('src/events/envelope.ts');
});

test('cycleIn() finds a cycle in a graph that has one', () => {
  const graph = (edges: Record<string, string[]>) =>
    new Map(Object.entries(edges).map(([from, to]) => [from, new Set(to)]));
  expect(cycleIn(graph({ a: ['b'], b: ['c'], c: [] }))).toEqual([]);
  expect(cycleIn(graph({ a: ['b'], b: ['c'], c: ['b'] }))).toEqual(['b', 'c', 'b']);
});

test('no file imports itself through other files', () => {
  const graph = new Map(sources.map(({ path, imports }) => [path, new Set(imports.filter(isSource))]));
  expect(cycleIn(graph)).toEqual([]);
});

test('no folder imports itself through other folders', () => {
  const graph = new Map<string, Set<string>>();
  for (const { path, imports } of sources) {
    const from = folderOf(path);
    const to = graph.get(from) ?? new Set();
    for (const name of imports.filter(isSource)) if (folderOf(name) !== from) to.add(folderOf(name));
    graph.set(from, to);
  }
  expect(cycleIn(graph)).toEqual([]);
});

test('every folder is in FLOORS, and imports only from itself and from lower folders', () => {
  const floor = (path: string) => FLOORS.indexOf(folderOf(path));
  expect(sources.filter(({ path }) => floor(path) < 0).map(({ path }) => path)).toEqual([]);
  const upward = sources.flatMap(({ path, imports }) =>
    imports.filter((name) => isSource(name) && floor(name) > floor(path)).map((name) => `${path} imports ${name}`),
  );
  expect(upward).toEqual([]);
});

test('src/model imports only from itself', () => {
  expect(offenders(within('model'), (name) => !name.startsWith('src/model/'))).toEqual([]);
});

test('only bpf/libbpf and the loader in native/ load native code', () => {
  const loads = /createRequire|ffi-napi|ref-napi|process\.dlopen|(?<!fleet)\.node['"`]/;
  const NATIVE = ['src/native/addon.ts', 'src/native/files.ts'];
  const loaders = sources.filter(({ code }) => loads.test(code)).map(({ path }) => path);
  const others = loaders.filter((path) => !path.startsWith('src/bpf/libbpf/') && !NATIVE.includes(path));
  expect(others).toEqual([]);
  expect(loaders).toContain('src/native/addon.ts');
});

test('code that decides gets all input as arguments, and imports neither native code nor node:fs', () => {
  const forbidden = /^(src\/(native|bpf|linux|process)\/|node:fs)/;
  for (const folder of ['guard/steps', 'guard/rules', 'explain/verdict', 'series']) {
    expect(offenders(within(folder), (name) => forbidden.test(name))).toEqual([]);
  }
});

/** Files that also run in a browser: the parser of kernel logs and all files that it imports. */
const BROWSER =
  /^src\/(?:story\/|explain\/(?:(?:lines|input|report|glossary|verdict|render|html|page)\/|(?:report|patterns|fingerprint|read-text)\.ts$))/;

test('the log parser can run in a browser: it uses no Node module, no global of Node and no native code', () => {
  const needed = new Set(sources.filter(({ path }) => BROWSER.test(path)));
  for (const { values } of needed) {
    for (const name of values) needed.add(sources.find(({ path }) => path === name) ?? missing(name));
  }
  const foreign = /^(?!src\/)|^src\/(?:native|bpf)\//;
  const global = /\bBuffer\b|\bprocess\.(?:argv|env|std\w+|cwd|hrtime|platform|version)\b|\brequire\(|\bsetImmediate\b/;
  expect(needed.size).toBeGreaterThan(30);
  expect(
    [...needed].flatMap(({ path, values }) =>
      values.filter((name) => foreign.test(name)).map((name) => `${path} imports ${name}`),
    ),
  ).toEqual([]);
  expect([...needed].filter(({ code }) => global.test(code)).map(({ path }) => path)).toEqual([]);
});

function missing(name: string): Source {
  return { path: name, code: '', lines: 0, imports: [], values: [] };
}

test('every import of RxJS uses its public name "rxjs"', () => {
  expect(offenders(sources, (name) => name.startsWith('rxjs/'))).toEqual([]);
});

test('code outside src/cli neither prints nor exits', () => {
  const speaks = /\bconsole\.\w+\(|\bprocess\.(exit|abort)\(|\bprocess\.exitCode\b/;
  const others = sources.filter(({ path }) => !path.startsWith('src/cli/'));
  expect(others.filter(({ code }) => speaks.test(code)).map(({ path }) => path)).toEqual([]);
});

test(`no file is longer than ${MOST_LINES} lines`, () => {
  const long = sources.filter(({ path, lines }) => path !== GENERATED && lines > MOST_LINES);
  expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
});
