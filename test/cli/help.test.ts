/** The help of every verb, and the declarations from which it is made. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeVerbs } from '../../src/cli/verb/define-group.ts';
import { renderHelp, type VerbData } from '../../src/cli/verb/help.ts';
import { verbs } from '../../src/cli/verb-table.ts';
import { columnsOf } from '../../src/render/width.ts';
import { oomscope, ROOT } from './cli.ts';

const all = await describeVerbs(verbs);
const groups = ['docker', 'k8s', 'protect', 'alert', 'config', 'systemd', 'fleet'];

/** The words of a command line, as a shell would split them; operators are words of their own. */
const wordsOf = (command: string) =>
  [...command.replaceAll('\\\n', ' ').matchAll(/'[^']*'|"[^"]*"|&&|\|\||[|>;]+|[^\s|>;&]+/g)].map(([word]) =>
    word.replace(/^(['"])(.*)\1$/s, '$2'),
  );

/** The calls of oomscope in a command line, each without the word `oomscope`. */
function callsIn(command: string): string[][] {
  const calls: string[][] = [];
  let current: string[] | undefined;
  let begins = true;
  for (const word of wordsOf(command)) {
    if (begins && word === 'oomscope') {
      current = [];
      calls.push(current);
    } else if (/^(\|\|?|&&|>+|;)$/.test(word)) current = undefined;
    else current?.push(word);
    begins = word === 'sudo' || /^(\|\|?|&&|;)$/.test(word);
  }
  return calls;
}

/** The verb that a call names, and the words after the verb. */
function verbIn(call: string[]): [VerbData | undefined, string[]] {
  const long = all.find(({ name }) => name === call.slice(0, 2).join(' '));
  return long ? [long, call.slice(2)] : [all.find(({ name }) => name === call[0]), call.slice(1)];
}

describe.each(all.map((data) => [data.name, data] as const))('%s', (name, data) => {
  it('has a help text of at most 80 columns', () => {
    for (const line of renderHelp(data).split('\n')) expect([line, columnsOf(line) <= 80]).toEqual([line, true]);
  });

  it('has a line in the list of verbs that is at most 80 columns wide', () => {
    expect(data.about.length).toBeLessThanOrEqual(66);
    expect(data.about).not.toMatch(/\.$/);
  });

  if (groups.includes(name)) return; // a group of verbs has no options and examples of its own

  it('says what each option and exit code means', () => {
    for (const { help } of data.options) {
      expect(help).not.toBe('');
      expect(help).not.toMatch(/\.$|may be repeated/);
    }
    expect(data.exits.map(({ code }) => code)).toEqual(expect.arrayContaining([0, 2]));
  });

  it('has examples with verbs and options that exist', () => {
    expect(data.examples.length).toBeGreaterThanOrEqual(name === 'systemd remove' ? 2 : 3);
    expect(data.examples.length).toBeLessThanOrEqual(6);
    const calls = data.examples.flatMap(({ command }) => callsIn(command));
    expect(calls.some((call) => verbIn(call)[0]?.name === name)).toBe(true);
    for (const call of calls) {
      const [verb, words] = verbIn(call);
      expect([call, verb?.name]).not.toEqual([call, undefined]);
      if (words.includes('--as-earlyoom')) continue;
      const given = words.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*/, ''));
      expect(verb?.options.map((option) => option.name)).toEqual(expect.arrayContaining(given));
    }
  });
});

it.each([['trace'], ['docker'], ['docker', 'check'], ['guard'], ['systemd', 'install']])(
  '`help %s %s`, --help and -h print the same',
  async (...words) => {
    const [first, ...others] = await Promise.all(
      [
        ['help', ...words],
        [...words, '--help'],
        [...words, '-h'],
      ].map((args) => oomscope(args)),
    );
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first?.stdout).toMatch(new RegExp(`^usage: oomscope ${words.join(' ')} `));
    for (const other of others) expect(other).toEqual(first);
  },
);

it('the list of verbs names every verb, in at most 80 columns', async () => {
  const { code, stdout } = await oomscope(['--help']);
  expect(code).toBe(0);
  for (const name of Object.keys(verbs)) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect((await oomscope(['help'])).stdout).toBe(stdout);
});

it('guard --as-earlyoom has its own help', async () => {
  const { code, stderr } = await oomscope(['guard', '--as-earlyoom', '-h']); // on stderr, as earlyoom's
  expect(code).toBe(0);
  expect(stderr).toContain('--sort-by-rss');
  for (const line of stderr.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it('prints the version', async () => {
  expect((await oomscope(['--version'])).stdout).toMatch(/^oomscope \d+\.\d+\.\d+\n$/);
});

/** The files and packages that a file imports statically. Imports of types and `import()` do not count. */
function loadedBy(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  if (!path.startsWith('src/')) return seen;
  const source = readFileSync(join(ROOT, path), 'utf8');
  for (const [, name = ''] of source.matchAll(/^(?:import|export) (?!type\b)(?:[^;]*? from )?'([^']+)'/gm)) {
    loadedBy(name.startsWith('.') ? normalize(join(dirname(path), name)) : name, seen);
  }
  return seen;
}

describe('loads few modules to show a help', () => {
  // The parts of oomscope that load native code, watch the kernel, or parse configurations and logs.
  const heavy =
    /^src\/(?:native|bpf\/libbpf|bpf\/wire|tracer|memory|scores|config\/(?!choose-file\.ts)|daemon|doctor|fleet|web|explain\/(?!input\/(?:stamp|month-names)\.ts))/;

  it.each(['src/cli/main.ts', ...globSync('src/cli/verbs/**/*.ts', { cwd: ROOT })])('by %s', (path) => {
    // A file that only the running verb imports may load what it needs.
    if (!/defineVerb|defineGroup/.test(readFileSync(join(ROOT, path), 'utf8'))) return;
    const loaded = [...loadedBy(path)];
    expect(loaded.filter((name) => heavy.test(name) || !/^(?:src\/|node:)/.test(name))).toEqual([]);
    expect(loaded.length).toBeLessThan(50);
  });
});
