import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exec } from '../../../src/alerts/sinks/exec.ts';
import { alertOf } from '../../../src/model/alert.ts';
import { anAlert, HOSTILE, oomKill } from '../alerts.ts';
import { until } from '../receiver.ts';

const never = new AbortController().signal;
let directory: string;
let program: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-exec-'));
  program = join(directory, 'handler');
});
afterEach(() => rmSync(directory, { recursive: true }));

function script(text: string): void {
  writeFileSync(program, `#!/bin/sh\ncd '${directory}' || exit 9\n${text}\n`);
  chmodSync(program, 0o755);
}
const read = (name: string) => readFileSync(join(directory, name), 'utf8');

/** True for a running process; false for a zombie and for a process that has exited. */
function alive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

describe('the exec sink', () => {
  it('passes arguments unchanged, the main fields in the environment, the alert on stdin, and no key', async () => {
    script('printf "%s\\n" "$#" "$1" "$2" >args; env >env; cat >input');
    process.env.HOOK_KEY = 'T0K3N';
    const sink = exec({ program, args: ['--team=db', '$(touch x) "; y'] });
    const alert = alertOf(oomKill('killed', HOSTILE));
    if (!alert) throw new Error('expected an alert');
    expect(await sink.deliver(alert, never)).toEqual({ outcome: 'delivered', reply: 'exit status 0' });
    delete process.env.HOOK_KEY;
    expect(read('args')).toBe('2\n--team=db\n$(touch x) "; y\n');
    expect(JSON.parse(read('input'))).toEqual(JSON.parse(JSON.stringify(alert)));
    const environment = new Map(
      read('env')
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(environment.get('OOMSCOPE_STATUS')).toBe('firing');
    expect(environment.get('OOMSCOPE_SEVERITY')).toBe('critical');
    expect(environment.get('OOMSCOPE_VICTIM_PID')).toBe('4711');
    expect(environment.get('OOMSCOPE_VICTIM_COMM')).toBe('x\\x0a<6>y"\'`$(id)\\x1b[2J</b>\\u{202e}*<!channel>');
    expect([...environment.keys()]).not.toContain('HOOK_KEY');
    expect(read('env')).not.toContain('T0K3N');
  });

  it('reports the exit status with the first line of stderr', async () => {
    script('echo "no route" >&2; echo more >&2; exit 3');
    expect(await exec({ program }).deliver(anAlert(), never)).toEqual({
      outcome: 'refused',
      reply: 'exit status 3 (no route)',
    });
    script('kill -9 $$');
    expect((await exec({ program }).deliver(anAlert(), never)).reply).toBe('killed by SIGKILL');
  });

  it('kills the process group of the program at the timeout, also processes that ignore SIGTERM', async () => {
    script(`trap '' TERM; echo $$ >pid
      sh -c 'trap "" TERM; echo $$ >child; while :; do sleep 1; done' &
      while :; do sleep 1; done`);
    const receipt = exec({ program }).deliver(anAlert(), AbortSignal.timeout(500));
    expect((await receipt).reply).toBe('did not exit in time and was killed, with its process group');
    for (const name of ['pid', 'child']) {
      const pid = Number(read(name));
      expect(pid).toBeGreaterThan(1);
      await until(() => !alive(pid));
    }
  });

  it('does not wait for child processes that the program leaves running', async () => {
    script('sleep 300 & echo $! >pid');
    const began = performance.now();
    expect((await exec({ program }).deliver(anAlert(), never)).outcome).toBe('delivered');
    expect(performance.now() - began).toBeLessThan(60_000);
    process.kill(Number(read('pid')));
  });

  it('refuses a program that cannot be run when the sink is opened', () => {
    writeFileSync(program, '');
    expect(() => exec({ program })).toThrow(/handler": it is not executable/);
    expect(() => exec({ program: `${program}.no` })).toThrow(/there is no such file/);
    expect(() => exec({ program: directory })).toThrow(/which is not a file/);
    expect(() => exec({ program: 'bin/handler' })).toThrow(/not an absolute path/);
    expect(() => exec({ program: 'no-such-program' })).toThrow(/not in PATH/);
    expect(exec({ program: 'cat' }).name).toMatch(/^exec \/.*\/cat$/);
  });
});
