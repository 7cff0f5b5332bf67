/**
 * Tests the live view on a real terminal, which tmux provides. The levels come from PSI, so that no privilege is
 * needed.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAIN, ROOT } from './cli.ts';

/** The name of the tmux server. Each test has its own server, because a server that is ending still answers. */
let server = 0;

const tmux = (...args: string[]) =>
  execFileSync('tmux', ['-L', `oomscope-${process.pid}-${server}`, '-f', '/dev/null', ...args], { encoding: 'utf8' });
const screen = () => tmux('capture-pane', '-p').split('\n');

/** Waits until `fits` returns true for the lines on the screen, and returns the lines. */
async function until(fits: (lines: string[]) => boolean, what: string): Promise<string[]> {
  const end = performance.now() + 15_000;
  for (;;) {
    const lines = screen();
    if (fits(lines)) return lines;
    if (performance.now() > end) throw new Error(`expected ${what}; the screen has:\n${lines.join('\n')}`);
    await sleep(50);
  }
}

/** Starts a shell that runs the view. @param command another command to run instead of the view */
async function start(
  columns: number,
  rows: number,
  command = `'${process.execPath}' '${MAIN}' pressure --psi`,
): Promise<void> {
  tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), 'PS1="$ " TERM=xterm-256color sh');
  tmux('send-keys', '-l', `echo be'fore'; ${command}; echo ended $?`);
  tmux('send-keys', 'Enter');
}

const drawn = (lines: string[]) => lines.some((line) => line.startsWith('q quit'));
const restored = (lines: string[]) =>
  lines.some((line) => /^(\$ )?before$/.test(line)) && lines.some((line) => line.startsWith('ended'));

describe('the live view', () => {
  beforeEach(() => {
    server++;
  });
  afterEach(() => {
    try {
      tmux('kill-server');
    } catch {
      // it never started
    }
  });

  it('fits 80 × 24, follows a resize, sorts, and restores the terminal', async () => {
    await start(80, 24);
    const small = await until(
      (lines) => drawn(lines) && / PSI /.test(lines[0] ?? '') && / %/.test(lines[1] ?? ''),
      'the view',
    );
    expect(small[0]).toMatch(/^oomscope pressure .* PSI {2}\d\d:\d\d:\d\d$/);
    expect(small[1]).toMatch(/^pressure {2}some .* %/);
    expect(small[2]).toMatch(/^memory {4}used .* of .* available/);
    expect(small[4]).toMatch(/^CGROUP +SOME +FULL +USED +LIMIT +GROWTH +FULL IN$/);
    expect(small[23]).toContain('sort [p] pressure');
    expect(small.join()).not.toContain('before');
    tmux('resize-window', '-x', '200', '-y', '50');
    const large = await until((lines) => lines[49]?.startsWith('q quit') ?? false, 'the view at 50 rows');
    expect(large[0]).toHaveLength(200);
    tmux('send-keys', 'u');
    await until((lines) => lines[49]?.includes('[u] usage') ?? false, 'another order');
    tmux('send-keys', 'q');
    const after = await until(restored, 'the shell');
    expect(after).toContain('ended 0');
    expect(after.filter((line) => /CGROUP|available|quit/.test(line))).toEqual([]);
    expect(tmux('display-message', '-p', '#{cursor_flag} #{alternate_on} #{wrap_flag}').trim()).toBe('1 0 1');
  });

  it('draws the system’s row and accepts keys before the monitor is open', async () => {
    await start(80, 24);
    const lines = await until(drawn, 'the view');
    expect(lines[2]).toMatch(/^memory {4}used .* of .* available/);
    tmux('send-keys', 'q');
    const after = await until(restored, 'the shell');
    expect(after.filter((line) => /^q/.test(line))).toEqual([]);
  });

  it('restores the terminal when the monitor cannot be opened', async () => {
    const command = `setpriv --bounding-set=-all --inh-caps=-all '${process.execPath}' '${MAIN}' pressure --stall 1s`;
    await start(80, 24, command);
    const after = await until(restored, 'the shell');
    expect(after).toContain('ended 77');
    expect(after.some((line) => line.includes('CAP_BPF'))).toBe(true);
  });

  it('restores the terminal on Ctrl-Z, and draws again on fg', async () => {
    tmux('new-session', '-d', '-x', '80', '-y', '24', 'bash --norc -i');
    tmux('send-keys', '-l', `'${process.execPath}' '${MAIN}' pressure --psi`);
    tmux('send-keys', 'Enter');
    await until(drawn, 'the view');
    tmux('send-keys', 'C-z');
    await until((lines) => !drawn(lines) && lines.some((line) => line.includes('Stopped')), 'the shell');
    tmux('send-keys', '-l', 'fg');
    tmux('send-keys', 'Enter');
    await until(drawn, 'the view again');
    tmux('send-keys', 'q');
    await until((lines) => !drawn(lines), 'the shell');
  });

  it('restores the terminal when the process crashes', async () => {
    const crash = `import { Screen } from '${ROOT}/dist/cli/verb/screen.js';
      new Screen({ onKey() {}, onResize() {} }).open();
      setTimeout(() => { throw new Error('on purpose'); }, 300);`;
    await start(80, 24, `'${process.execPath}' --input-type=module -e "${crash.replaceAll('\n', ' ')}" 2>/dev/null`);
    expect(await until(restored, 'the shell')).toContain('ended 1');
    expect(tmux('display-message', '-p', '#{cursor_flag} #{alternate_on} #{wrap_flag}').trim()).toBe('1 0 1');
    expect(
      execFileSync('stty', ['-a', '-F', tmux('display-message', '-p', '#{pane_tty}').trim()], { encoding: 'utf8' }),
    ).toMatch(/ icanon .* echo /s);
  });
});
