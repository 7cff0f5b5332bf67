/** The steps before a kill: the victim is asked by a signal, and another program is told by a socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { sendAndWait } from '../../src/process/socket-message.ts';
import { ROOT } from '../cli/cli.ts';
import { cleanUp, configFile, later, startGuard } from './guard-process.ts';
import { createMemoryGroup, type MemoryGroup, MIB, oomKillsUnavailable, startHog } from './memcg.ts';

const DAEMON = '/usr/bin/dbus-daemon';
const LIMIT = 128 * MIB;
const HELD = String(100 * MIB);

afterEach(cleanUp);

const HELPFUL = `
import os, signal, subprocess, sys
path, hog, held = sys.argv[1:]
open(path + '/cgroup.procs', 'w').write(str(os.getpid()))
if os.fork() > 0: sys.exit(os.wait()[1])
signal.signal(signal.SIGUSR2, lambda *_: child.kill())
# The guard may ask before the next statement has assigned child.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
child = subprocess.Popen([hog, '--cgroup', path, '--hold', held, '--max', held])
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
while True: signal.pause()`;

const rules = (group: MemoryGroup, steps: string) =>
  configFile(`[guard]
mode = "enforce"
arm = false
[[guard.rule]]
name = "a group near its limit"
on = "${group.cgroupPath}"
when = ["available < 48M"]
kill = "cgroup"
steps = [${steps}, { do = "kill" }]
`);

/** A new unix socket, and what its server gets. The server calls `act`, and closes the connection unless it hangs. */
function listen(act: (line: string) => void, hangs = false): string {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  const path = join(directory, 'socket');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (data) => {
      act(data.toString());
      if (!hangs) socket.end();
    });
  }).listen(path);
  later(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  return path;
}

describe.skipIf(oomKillsUnavailable())('the guard', () => {
  it('asks a process that handles the signal, and kills nothing when that frees memory', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const guard = await startGuard(['--config', rules(group, '{ do = "ask", signal = "SIGUSR2", wait = "10s" }')]);
    // The program ends its child when it is asked. It is born in the group, because the guard reads the cgroup of a
    // process that has moved only after some scans. A shell would not do: while it runs another program, a second
    // process has its handler for a moment.
    const helpful = spawn('python3', ['-c', HELPFUL, group.path, join(ROOT, 'build/hog'), HELD], { stdio: 'ignore' });
    later(() => helpful.kill('SIGKILL'));
    const result = await guard.result();
    expect(result.outcome).toBe('recovered');
    expect(guard.actions().map(({ action, outcome, detail }) => [action, outcome, detail])).toEqual([
      ['ask', 'done', 'SIGUSR2'],
    ]);
    expect(helpful.exitCode ?? helpful.signalCode).toBeNull();
    await guard.stop();
  });

  it('does not send the signal to a process that it would end, and goes on with the next step', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const guard = await startGuard(['--config', rules(group, '{ do = "ask" }')]);
    const hog = startHog(group, ['--hold', HELD]);
    expect((await hog.ended).signal).toBe('SIGKILL');
    await guard.result();
    expect(guard.actions().map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'ask unavailable',
      'kill done',
    ]);
    await guard.stop();
  });

  it.skipIf(!existsSync(DAEMON))(
    'lets a program say it on a D-Bus, and kills nothing when that frees memory',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
      later(() => rmSync(directory, { recursive: true }));
      const address = `unix:path=${directory}/bus`;
      const start = (program: string, ...args: string[]) => {
        const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        later(() => child.kill('SIGKILL'));
        return child;
      };
      await once(start(DAEMON, '--session', '--nofork', '--print-address', `--address=${address}`).stdout, 'data');
      const receiver = start('dbus-monitor', '--address', address, "interface='org.oomscope.Guard'");
      const told = new Promise<string>((resolve) => {
        let text = '';
        receiver.stdout.on('data', (more) => {
          text += more;
          if (/member=Shortage.*string "/s.test(text)) resolve(text);
        });
      });
      await once(receiver.stdout, 'data'); // the bus has accepted it
      const program = join(directory, 'say');
      // As in docs/guard.md, but on the bus of this test.
      const words = '/org/oomscope/Guard org.oomscope.Guard Shortage us "$OOMSCOPE_PID" "$OOMSCOPE_RULE"';
      writeFileSync(program, `#!/bin/sh\nbusctl --address=${address} emit ${words}\nsleep 3\n`, { mode: 0o755 });
      const group = createMemoryGroup({ limitBytes: LIMIT });
      const steps = `{ do = "exec", command = ["${program}"], wait = "10s" }`;
      const guard = await startGuard(['--config', rules(group, steps)]);
      const hog = startHog(group, ['--hold', HELD]);
      expect(await told).toContain(`uint32 ${hog.pid}`);
      hog.kill('SIGTERM'); // what the receiver would do
      expect((await guard.result()).outcome).toBe('recovered');
      expect(guard.actions().map(({ action, outcome }) => [action, outcome])).toEqual([['exec', 'done']]);
      await guard.stop();
    },
  );

  it('tells a program by its socket, and kills nothing when that frees memory', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    let told: { victim?: { pid: number }; rule?: string } = {};
    const path = listen((line) => {
      told = JSON.parse(line);
      hog.kill('SIGKILL');
    });
    const guard = await startGuard(['--config', rules(group, `{ do = "tell", socket = "${path}" }`)]);
    const hog = startHog(group, ['--hold', HELD]);
    expect((await guard.result()).outcome).toBe('recovered');
    expect(told).toMatchObject({ rule: 'a group near its limit', victim: { pid: hog.pid } });
    expect(guard.actions().map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(['tell done']);
    await guard.stop();
  });
});

describe('a message to a socket', () => {
  it('waits for a receiver only until the time is over', async () => {
    let got = '';
    const path = listen((line) => {
      got = line;
    }, true);
    const receipt = await sendAndWait(path, 'plan', AbortSignal.timeout(300));
    expect(receipt).toEqual({ outcome: 'refused', reply: 'the receiver did not close the connection in time' });
    expect(got).toBe('plan\n');
  });

  it('says why there is no receiver', async () => {
    const receipt = await sendAndWait('/nonexistent/socket', 'plan', AbortSignal.timeout(5000));
    expect(receipt).toEqual({ outcome: 'refused', reply: 'ENOENT' });
  });
});
