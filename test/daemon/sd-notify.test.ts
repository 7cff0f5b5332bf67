import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { notifySystemd, watchdogMs } from '../../src/daemon/sd-notify.ts';

/** Opens a socket like that of a service manager. */
async function listen(socket: string): Promise<AsyncIterator<string>> {
  const script = `import socket, sys, json
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); n = sys.argv[1]
s.bind('\\0' + n[1:] if n[0] == '@' else n); print("ready", flush=True)
while True: print(json.dumps(s.recv(65536).decode()), flush=True)`;
  const child = spawn('python3', ['-c', script, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const iterator = lines[Symbol.asyncIterator]();
  expect((await iterator.next()).value).toBe('ready');
  return iterator;
}

test('sends to a socket with a path and to one with an abstract name', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const socket of [join(directory, 'notify'), `@oomscope-test-${process.pid}`]) {
    const heard = await listen(socket);
    const state = 'READY=1\nSTATUS=Watching 3 cgroups, “déjà vu”';
    expect(notifySystemd(state, socket)).toBe(true);
    expect(JSON.parse((await heard.next()).value)).toBe(state);
  }
});

test('returns false without a socket, and throws where no process listens', () => {
  expect(notifySystemd('READY=1', undefined)).toBe(false);
  expect(notifySystemd('READY=1', '')).toBe(false);
  const error = (code: string) =>
    expect.objectContaining({ code: 'SYSTEM_CALL', message: expect.stringContaining(code) });
  expect(() => notifySystemd('READY=1', '/nonexistent/notify')).toThrow(error('ENOENT'));
  expect(() => notifySystemd('READY=1', `/${'a'.repeat(200)}`)).toThrow(error('EINVAL'));
  expect(() => notifySystemd('READY=1', '@oomscope-test-no-listener')).toThrow(error('ECONNREFUSED'));
});

test('the watchdog interval is half of the timeout, and only for the process in WATCHDOG_PID', () => {
  expect(watchdogMs({ WATCHDOG_USEC: '180000000', WATCHDOG_PID: '42' }, 42)).toBe(90_000);
  expect(watchdogMs({ WATCHDOG_USEC: '180000000' }, 42)).toBe(90_000);
  expect(watchdogMs({ WATCHDOG_USEC: '180000000', WATCHDOG_PID: '41' }, 42)).toBeUndefined();
  for (const wrong of [undefined, '', '0', '-1', 'soon'])
    expect(watchdogMs({ WATCHDOG_USEC: wrong }, 42)).toBeUndefined();
});
