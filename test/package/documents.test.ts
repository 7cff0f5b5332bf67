/** Man pages and completions, judged by mandoc and by the real shells. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeCompletions } from '../../scripts/package/completions.ts';
import { writeManPages } from '../../scripts/package/man.ts';

const has = (program: string) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;

let share: string;
let pages: string[];
beforeAll(async () => {
  share = mkdtempSync(join(tmpdir(), 'oomscope-share-'));
  pages = await writeManPages(join(share, 'man'));
  await writeCompletions(share);
});
afterAll(() => rmSync(share, { recursive: true, force: true }));

describe.skipIf(!has('mandoc'))('man pages', () => {
  test('mandoc has nothing to say about any page', () => {
    const told = pages.flatMap((page) => {
      const { stdout } = spawnSync('mandoc', ['-T', 'lint', join(share, 'man', page)], { encoding: 'utf8' });
      // mandoc looks for other pages only where it is installed.
      return stdout.split('\n').filter((line) => line !== '' && !line.includes('referenced manual not found'));
    });
    expect(told).toEqual([]);
  });

  test('every page that a page refers to exists', () => {
    const names = new Set(pages.map((page) => page.replace(/^man\d\//, '')));
    const missing = pages.flatMap((page) => {
      const text = readFileSync(join(share, 'man', page), 'utf8');
      const named = [...text.matchAll(/^\.(?:It )?Xr (\S+) (\d)/gm)].map((match) => `${match[1]}.${match[2]}`);
      return named.filter((name) => !names.has(name)).map((name) => `${page}: ${name}`);
    });
    expect(missing).toEqual([]);
  });

  test('a page shows the options of its verb', () => {
    const text = execFileSync('mandoc', ['-T', 'ascii', join(share, 'man/man1/oomscope-trace.1')], {
      encoding: 'utf8',
    });
    expect(withoutOverstrike(text)).toMatch(/--cgroup GLOB\n/);
  });
});

/** Text for a printer, in which a bold letter is the letter, a backspace, and the letter again. */
const withoutOverstrike = (text: string) => text.split('\b').reduce((before, after) => before.slice(0, -1) + after);

/** The same questions for every shell: what was typed, and what must be offered. */
const questions: [typed: string[], offered: string[]][] = [
  [['tr'], ['trace', 'tree']],
  [
    ['docker', ''],
    ['check', 'watch', 'advise'],
  ],
  [
    ['trace', '--kind', ''],
    ['killed', 'already_dying', 'group_member', 'shared_memory'],
  ],
  [
    ['protect', 'plan', ''],
    ['critical', 'postgresql', 'database', 'web', 'expendable'],
  ],
  [['trace', '--alert', 'w'], ['webhook']],
  [['guard', '--ran'], ['--rank']],
];

describe('completions', () => {
  test.each(questions)('bash: %j', (typed, offered) => {
    const words = ['oomscope', ...typed].map((word) => `'${word}'`).join(' ');
    const script = `. "$1"; COMP_WORDS=(${words}); COMP_CWORD=${typed.length}; _oomscope; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const file = join(share, 'bash-completion/completions/oomscope');
    const answer = execFileSync('bash', ['-c', script, 'bash', file], { encoding: 'utf8' }).trim().split('\n');
    for (const word of offered) expect(answer).toContain(word);
  });

  test.skipIf(!has('fish')).each(questions)('fish: %j', (typed, offered) => {
    const file = join(share, 'fish/vendor_completions.d/oomscope.fish');
    const script = `source $argv[1]; complete -C "oomscope ${typed.join(' ')}"`;
    const answer = execFileSync('fish', ['--no-config', '-c', script, file], { encoding: 'utf8' });
    const words = answer.split('\n').map((line) => line.split('\t')[0]);
    for (const word of offered) expect(words).toContain(word);
  });

  // Only a terminal can ask zsh for a completion. Here zsh checks the syntax, and loads the function.
  test.skipIf(!has('zsh'))('zsh: the file has no error, and compinit finds it', () => {
    execFileSync('zsh', ['-n', join(share, 'zsh/vendor-completions/_oomscope')], { stdio: 'pipe' });
    const script = `fpath=(${share}/zsh/vendor-completions $fpath); autoload -U compinit; compinit -u -D; print $_comps[oomscope]`;
    expect(execFileSync('zsh', ['-f', '-c', script], { encoding: 'utf8' })).toBe('_oomscope\n');
  });
});
