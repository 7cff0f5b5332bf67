/** `oomscope guard --ask` on a real terminal, which script(1) provides. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { MAIN, oomscope } from '../cli/cli.ts';
import { cleanUp, later } from './guard-process.ts';
import { createMemoryGroup, MIB, oomKillsUnavailable, startHog } from './memcg.ts';

const SCRIPT = '/usr/bin/script';

afterEach(cleanUp);

describe.skipIf(oomKillsUnavailable() || !existsSync(SCRIPT))('guard --ask', () => {
  it('ends the process that the person chooses, and no other', async () => {
    const group = createMemoryGroup({ limitBytes: 128 * MIB });
    const larger = startHog(group, ['--hold', String(60 * MIB), '--comm', 'larger']);
    const smaller = startHog(group, ['--hold', String(40 * MIB), '--comm', 'smaller']);
    await Promise.all([larger.ready, smaller.ready]);
    const command = `'${process.execPath}' '${MAIN}' guard --ask --cgroup '${group.cgroupPath}' --when 'available < 64M'`;
    const terminal = spawn(SCRIPT, ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    later(() => terminal.kill('SIGKILL'));
    let shown = '';
    const seen = (pattern: RegExp) =>
      new Promise<string>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`expected ${pattern} in ${shown}`)), 15_000);
        const look = () => {
          const [found] = pattern.exec(shown) ?? [];
          if (found === undefined) return;
          clearTimeout(timer);
          terminal.stdout.off('data', look);
          resolve(found);
        };
        terminal.stdout.on('data', look);
        look();
      });
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text;
    });
    await seen(/an empty\s+line\s+ends\s+none/);
    const number = (await seen(/\d: smaller \(pid \d+/)).slice(0, 1);
    expect(shown).toMatch(new RegExp(`\\d: larger \\(pid ${larger.pid}`));
    terminal.stdin.write('x\n');
    await seen(/Expected a number\s+from 1 to 2/);
    terminal.stdin.write(`${number}\n`);
    expect((await smaller.ended).signal).toBe('SIGTERM');
    await seen(new RegExp(`Sent SIGTERM to\\s+smaller\\s+\\(pid\\s+${smaller.pid}\\)`));
    expect(group.procs()).toEqual([larger.pid]);
    terminal.stdin.write('\x03'); // Ctrl-C
    expect(shown).not.toContain('Would have');
    larger.kill('SIGKILL');
    await larger.ended;
  });

  it('needs a terminal', async () => {
    const { code, stderr } = await oomscope(['guard', '--ask']);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('expected a terminal') });
  });
});
