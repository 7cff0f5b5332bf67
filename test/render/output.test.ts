/** Standard output on a disk that becomes full: oomscope goes on, cuts no line, and counts the dropped lines. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Output } from '../../src/render/output.ts';
import { ended, MAIN } from '../cli/cli.ts';

describe.skipIf(process.geteuid?.() !== 0)('on a full disk', () => {
  let above: string;
  let disk: string;
  beforeEach(() => {
    above = mkdtempSync(join(tmpdir(), 'oomscope-output-'));
    disk = join(above, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
  });
  afterEach(() => {
    execFileSync('umount', [disk]);
    rmSync(above, { recursive: true });
  });

  it('drops and counts whole lines, and reports the counts when there is room again', async () => {
    const file = join(disk, 'events.jsonl');
    const fd = openSync(file, 'w');
    const output = new Output({
      fd,
      onClosed: () => {
        throw new Error('must not close');
      },
      onDropped: (dropped) => JSON.stringify({ dropped }),
    });
    const line = (i: number) => JSON.stringify({ i, text: 'x'.repeat(700) });
    for (let i = 0; i < 60; i++) output.write(line(i), 'a');
    writeFileSync(join(disk, 'filler'), Buffer.alloc(1)); // fills the last free page
    for (let i = 60; i < 200; i++) output.write(line(i), i % 2 === 0 ? 'a' : 'b');
    const lines = () => readFileSync(file, 'utf8').split('\n').slice(0, -1).map((text) => JSON.parse(text)); // biome-ignore format: short
    expect(lines().length).toBeGreaterThan(59);
    expect(lines().length).toBeLessThan(200);
    rmSync(join(disk, 'filler'));
    execFileSync('mount', ['-o', 'remount,size=256k', disk]);
    output.write(line(200), 'a');
    await output.end();
    closeSync(fd);
    const after = lines();
    const counts = after.flatMap(({ dropped }) => (dropped ? [dropped as Record<string, number>] : []));
    const total = (type: string) => counts.reduce((sum, dropped) => sum + (dropped[type] ?? 0), 0);
    const whole = 200 - total('a') - total('b');
    expect(total('b')).toBeGreaterThan(10);
    expect(after.filter(({ i }) => i !== undefined).map(({ i }) => i)).toEqual([
      ...Array.from({ length: whole }, (_, i) => i),
      200,
    ]);
  });

  it('leaves no partial line at the end of the file', async () => {
    const file = join(disk, 'events.jsonl');
    const fd = openSync(file, 'w');
    const output = new Output({ fd, onClosed: () => {}, onDropped: (dropped) => JSON.stringify({ dropped }) });
    for (let i = 0; i < 200; i++) output.write(JSON.stringify({ i, text: 'x'.repeat(700) }), 'a');
    await output.end();
    closeSync(fd);
    const text = readFileSync(file, 'utf8');
    expect(text.length).toBeGreaterThan(30_000);
    for (const line of text.trimEnd().split('\n')) JSON.parse(line);
    expect(text.endsWith('\n')).toBe(true);
  });

  it('`oomscope guard` goes on, and ends as usual', async () => {
    const full = openSync('/dev/full', 'w');
    const args = [MAIN, 'guard', '--json', '--when', 'available < 99.9 %', '--min-size', '0'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    const end = ended(child);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    const { code, stderr } = await end;
    expect(stderr).not.toContain('ENOSPC');
    expect(code).toBe(0);
  });
});

it('leaves stderr usable, also if it is the same socket as stdout', async () => {
  const script = `
    import { Output } from ${JSON.stringify(join(import.meta.dirname, '../../src/render/output.ts'))};
    const output = new Output({ onClosed() {}, onDropped: () => '' });
    output.write('x'.repeat(500_000), 'a');
    await output.end();
    process.stderr.write('after\\n');
    process.stderr.write('the end\\n');`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  // Node connects a child's stdout to a socket. systemd connects stdout and stderr to the socket of the journal.
  const child = spawn('sh', ['-c', 'exec "$0" "$@" 2>&1', process.execPath, '--experimental-strip-types', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { code, stdout } = await ended(child);
  expect(stdout.replace(/x+/, 'x').split('\n')).toEqual(['x', 'after', 'the end', '']);
  expect(code).toBe(0);
});
