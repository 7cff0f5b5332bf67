import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { pages as generatedPages } from '../../scripts/docs/pages.ts';
import { readVerbs, type Verb } from '../../scripts/docs/verbs.ts';
import { ROOT, readPages } from './page.ts';
import { commandsOf } from './shell.ts';

const MOST_LINES_OF_README = 180;

const pages = readPages();
const written = pages.filter(({ path }) => !path.startsWith('docs/reference/') && !path.startsWith('docs/proofs/'));
const named = new Map(pages.map((page) => [page.path, page]));

test('the test finds the pages', () => {
  expect([...named.keys()]).toEqual(expect.arrayContaining(['README.md', 'docs/README.md', 'docs/trace.md']));
});

test(`the README has at most ${MOST_LINES_OF_README} lines`, () => {
  expect(named.get('README.md')?.lines).toBeLessThanOrEqual(MOST_LINES_OF_README);
});

test('generated pages equal the output of `npm run docs`', async () => {
  for (const { path, text } of await generatedPages()) {
    expect(readFileSync(join(ROOT, path), 'utf8'), `${path} is stale: run npm run docs`).toBe(text);
  }
});

test('every relative link leads to a file, and to a heading in it', () => {
  const broken = pages.flatMap(({ path, links }) =>
    links
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !named.get(target)?.anchors.has(anchor);
      })
      .map((link) => `${path}: ${link}`),
  );
  expect(broken).toEqual([]);
});

test('every page in docs/ is linked from its index', () => {
  const index = new Set(
    named.get('docs/README.md')?.links.map((link) => normalize(join('docs', link.split('#')[0] ?? ''))),
  );
  const missing = [...named.keys()].filter(
    (path) =>
      path.startsWith('docs/') && !/^docs\/(README|(proofs|runbooks|recipes)\/.+)\.md$/.test(path) && !index.has(path),
  );
  expect(missing).toEqual([]);
});

test('every verb and option that a page shows exists', async () => {
  const verbs = await readVerbs();
  const faults = written.flatMap((page) =>
    commandsOf(page).flatMap((words) =>
      faultsOf(words, verbs).map((fault) => `${page.path}: ${words.join(' ')}: ${fault}`),
    ),
  );
  expect(faults).toEqual([]);
});

test('the check finds a verb or an option that does not exist', async () => {
  const verbs = await readVerbs();
  const faults = (line: string) => faultsOf(line.split(' '), verbs);
  expect(faults('oomscope trace --json')).toEqual([]);
  expect(faults('oomscope trase --json')).toEqual(['there is no verb trase']);
  expect(faults('oomscope protect plan --jsn')).toEqual(['there is no option --jsn']);
  expect(faults('trace --jsn')).toEqual(['there is no option --jsn']);
  expect(faults('npm run tset')).toEqual(['there is no script tset']);
});

test('every path of this repository that a page names exists', () => {
  const missing = written.flatMap(({ path, codes }) =>
    codes
      .filter((code) => /^(bpf|docs|native|packaging|scripts|src|test)\/[\w./*-]*$/.test(code))
      .filter((code) => globSync(code.replace(/\/$/, ''), { cwd: ROOT }).length === 0)
      .map((code) => `${path}: ${code}`),
  );
  expect(missing).toEqual([]);
});

test('the map of folders in the architecture page has each folder of src/, in the order of the floors', () => {
  const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `src\/([\w/-]+)` \|/gm)].map(([, folder = '']) => folder);
  const source = readFileSync(join(ROOT, 'test/architecture.test.ts'), 'utf8');
  const list = /FLOORS = \[([\s\S]*?)\];/.exec(source)?.[1] ?? '';
  const floors = [...list.matchAll(/'([\w/-]+)'/g)].map(([, floor = '']) => floor);
  expect(rows).toEqual(floors.filter((floor) => rows.includes(floor)));
  const folders = globSync('src/*/', { cwd: ROOT }).map((path) => path.replace(/^src\//, ''));
  expect(folders.filter((folder) => !rows.some((row) => row.split('/')[0] === folder))).toEqual([]);
});

const scripts = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts as Record<string, string>;

/** The parts of a command that do not exist: its verb, its options, or its npm script. */
function faultsOf([program = '', ...words]: readonly string[], verbs: readonly Verb[]): string[] {
  if (program === 'npm') return npmFaults(words);
  const known = (name: string) => verbs.find((verb) => verb.name === name);
  // `trace --json` in a sentence is short for `oomscope trace --json`, but `docker run` is a command of Docker.
  const hasActions = verbs.some(({ name }) => name.startsWith(`${program} `));
  const isShort = known(hasActions ? `${program} ${words[0]}` : program) !== undefined;
  if (program !== 'oomscope' && !isShort) return [];
  const [name = '', action = '', ...rest] = isShort ? [program, ...words] : words;
  if (!/^[a-z]+$/.test(name) || name === 'help' || action === '--as-earlyoom') return [];
  const verb = known(`${name} ${action}`) ?? known(name);
  if (!verb) return [`there is no verb ${name}`];
  return [action, ...rest]
    .flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? [])
    .filter((option) => !verb.options.some(({ name }) => name === option))
    .map((option) => `there is no option ${option}`);
}

function npmFaults(words: readonly string[]): string[] {
  const [run, script = ''] = words.filter((word) => !word.startsWith('-'));
  const isPlaceholder = script === '' || /[A-Z*…]/.test(script);
  return run !== 'run' || isPlaceholder || script in scripts ? [] : [`there is no script ${script}`];
}
