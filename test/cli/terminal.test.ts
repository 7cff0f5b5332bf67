/** Colours and columns of the output, which depend on the terminal and on environment variables. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it, test } from 'vitest';
import { paintFor } from '../../src/cli/verb/colour.ts';
import { terminalColumns, terminalRows } from '../../src/cli/verb/terminal-size.ts';
import { coloured, plain } from '../../src/render/paint.ts';
import { MAIN } from './cli.ts';

test.each([
  ['a terminal', false, true, {}, coloured],
  ['a pipe', false, false, {}, plain],
  ['--no-color', true, true, { FORCE_COLOR: '1' }, plain],
  ['NO_COLOR', false, true, { NO_COLOR: '1', FORCE_COLOR: '1' }, plain],
  ['an empty NO_COLOR', false, true, { NO_COLOR: '' }, coloured],
  ['TERM=dumb', false, true, { TERM: 'dumb' }, plain],
  ['FORCE_COLOR in a pipe', false, false, { FORCE_COLOR: '1' }, coloured],
  ['FORCE_COLOR on a dumb terminal', false, true, { TERM: 'dumb', FORCE_COLOR: '3' }, coloured],
  ['FORCE_COLOR=0', false, false, { FORCE_COLOR: '0' }, plain],
])('colour: %s', (_, declined, terminal, env, paint) => {
  expect(paintFor(declined, terminal, env)).toBe(paint);
});

describe('the columns of the output', () => {
  it('are the columns of the terminal', () => {
    expect(terminalColumns({ isTTY: true, columns: 132 }, 200, {})).toBe(132);
    expect(terminalRows({ rows: 50 }, {})).toBe(50);
  });

  it('are 80 if the terminal reports no number of columns, or 0', () => {
    expect(terminalColumns({ isTTY: true, columns: 0 }, 200, {})).toBe(80);
    expect(terminalColumns({ isTTY: true }, 200, {})).toBe(80);
    expect(terminalRows({ rows: 0 }, {})).toBe(24);
  });

  it('are unlimited for a pipe or a file, unless COLUMNS is set', () => {
    expect(terminalColumns({}, 200, {})).toBe(200);
    expect(terminalColumns({}, 200, { COLUMNS: '100' })).toBe(100);
    expect(terminalColumns({ isTTY: true, columns: 80 }, 200, { COLUMNS: '100' })).toBe(100);
    expect(terminalColumns({}, 200, { COLUMNS: 'x' })).toBe(200);
    expect(terminalRows({}, { LINES: '10' })).toBe(10);
  });
});

/** A command on a pseudo-terminal of 0 columns, as a serial console reports. */
const onTerminalOfNone = (command: string, env: Record<string, string> = {}) =>
  execFileSync('script', ['-qec', `stty cols 0 rows 0; ${command}`, '/dev/null'], {
    encoding: 'utf8',
    env: { ...process.env, TERM: 'xterm', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

const hasScript = (() => {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasScript)('on a terminal that reports 0 columns', () => {
  const tree = `'${process.execPath}' '${MAIN}' tree`;
  const widest = (text: string) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    Math.max(...text.split(/\r?\n/).map((line) => [...line.replace(/\x1b\[\d+m/g, '')].length));

  it('a table has 80 columns, or the number in COLUMNS', () => {
    const text = onTerminalOfNone(tree);
    expect(text).toContain('CGROUP');
    expect(widest(text)).toBeLessThanOrEqual(80);
    expect(onTerminalOfNone(tree, { COLUMNS: '120' })).toContain('·'); // only the wide table has bars
  });

  it('a live view is drawn', () => {
    const text = onTerminalOfNone(`timeout --foreground -s INT 3 ${tree} --watch || true`);
    expect(text).toContain('q quit');
  });
});
