import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Event } from '../../src/model/events.ts';
import { until } from '../alerts/receiver.ts';
import { holdMemory } from '../memory-holder.ts';
import { schemaErrors } from '../schema.ts';
import { ended, MAIN, oomscope } from './cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
afterAll(() => rmSync(directory, { recursive: true }));
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

/** A configuration without tracer and pressure monitor, so that most tests in this file need no privilege. */
const quiet = '[trace]\nenabled = false\n[pressure]\nenabled = false\n';
const file = join(directory, 'oomscope.toml');

const guard = (detector: string) =>
  `${quiet}[guard]\n[[guard.rule]]\nname = "${detector}"\nwhen = ["${detector}"]\nmin_size = "0"\n`;

/** Collects the lines of a stream. `seen()` waits for a line that contains a text. */
function linesOf(stream: NodeJS.ReadableStream) {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: stream }).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  const seen = (part: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`expected "${part}" in ${JSON.stringify(lines)}`)), 15_000);
      const look = () => {
        const found = lines.find((line) => line.includes(part));
        if (found === undefined) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { lines, seen };
}

function start(command: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  children.add(child);
  return { child, end: ended(child), out: linesOf(child.stdout), err: linesOf(child.stderr) };
}

const run = (env?: Record<string, string>) => start(process.execPath, [MAIN, 'run', '--config', file], env);

/**
 * A program that receives the notifications of sd_notify(3), as systemd does. It is not in Node, which has no
 * datagram sockets.
 */
const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print('bound', flush=True)
while True: print(s.recv(4096).decode().replace(chr(10), '|'), flush=True)`;

describe('run', () => {
  const spooling = (more = '') =>
    `[[alert]]\nsink = "webhook"\ntarget = "http://127.0.0.1:1/"\nspool = "${join(directory, 'spool')}"\n${more}\n`;

  it('reloads a configuration whose sinks have spools, twelve times', async () => {
    writeFileSync(file, spooling() + guard('available < 1K'));
    const { child, end, err } = run();
    await err.seen('Press Ctrl-C');
    for (let i = 1; i <= 12; i++) {
      writeFileSync(file, spooling(i % 2 === 0 ? '' : `timeout = "${i}s"`) + guard('available < 1K'));
      child.kill('SIGHUP');
      await until(() => err.lines.filter((line) => line.includes('eload')).length === i);
    }
    expect(err.lines.filter((line) => line.includes('was not reloaded'))).toEqual([]);
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });

  it('reads the first of its files that exists, and names the others', async () => {
    writeFileSync(file, guard('available < 1K'));
    const second = join(directory, 'second.toml');
    writeFileSync(second, guard('available < 2K'));
    const words = ['--config', join(directory, 'missing.toml'), '--config', file, '--config', second];
    const { child, end, err } = start(process.execPath, [MAIN, 'run', ...words]);
    expect(await err.seen('Press Ctrl-C')).toContain(`Running with ${file}.`);
    expect(err.lines).toContainEqual(expect.stringContaining(`${second} is not read, because ${file} exists.`));
    rmSync(file);
    child.kill('SIGHUP');
    await err.seen(`Reloaded ${second}.`);
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });

  it('names the last of its files when none of them exists', async () => {
    const words = ['--config', '/nowhere/old.toml', '--config', '/nowhere/usual.toml'];
    const { code, stderr } = await oomscope(['run', ...words]);
    expect(code).toBe(66);
    expect(stderr).toContain('/nowhere/usual.toml');
    expect(stderr).not.toContain('/nowhere/old.toml');
  });

  it('survives SIGHUP while its code is loaded', async () => {
    writeFileSync(file, guard('available < 1K'));
    const hooks = `import { registerHooks } from 'node:module';
      registerHooks({ load(url, context, next) {
        if (/\\/daemon\\d*\\.js$/.test(url)) process.kill(process.pid, 'SIGHUP');
        return next(url, context);
      } });`;
    const preload = `--import=data:text/javascript,${encodeURIComponent(hooks)}`;
    const { child, end, err } = run({ NODE_OPTIONS: preload });
    await err.seen('Press Ctrl-C');
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });

  it('survives SIGHUP during its start, and reloads the file afterwards', async () => {
    writeFileSync(file, spooling() + guard('available < 1K'));
    rmSync(join(directory, 'spool'), { recursive: true, force: true });
    const { child, end, err } = run();
    await until(() => existsSync(join(directory, 'spool', 'lock'))); // the sinks are opened first, the guard later
    child.kill('SIGHUP');
    await err.seen('Reloaded');
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });

  it('ends at once on SIGTERM during its start', async () => {
    writeFileSync(file, spooling() + guard('available < 1K'));
    const hooks = `import { registerHooks } from 'node:module';
      registerHooks({ load(url, context, next) {
        if (/\\/alert-sinks\\d*\\.js$/.test(url)) process.kill(process.pid, 'SIGTERM');
        return next(url, context);
      } });`;
    const preload = `--import=data:text/javascript,${encodeURIComponent(hooks)}`;
    const { stderr, stdout, code } = await run({ NODE_OPTIONS: preload }).end;
    expect(stderr).not.toContain('Running with');
    expect({ stdout, code }).toEqual({ stdout: '', code: 0 });
  });

  it('looks for what forbids tracing before it opens a sink', async () => {
    rmSync(join(directory, 'spool'), { recursive: true, force: true });
    writeFileSync(file, spooling().replace('[[alert]]', '[trace]\nenabled = true\n[[alert]]'));
    const words = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, MAIN, 'run', '--config', file];
    const { code, stderr } = await start('setpriv', words).end;
    expect(stderr).toMatch(/Tracing needs .*CAP_BPF/);
    expect(code).toBe(77);
    expect(existsSync(join(directory, 'spool'))).toBe(false);
  });

  it('runs the guard of its file; SIGHUP reloads the file, or keeps the old configuration if the new one has faults', async () => {
    writeFileSync(file, guard('available < 99.9 %'));
    const { child, end, out, err } = run();
    await out.seen('"rule":"available < 99.9 %"');

    writeFileSync(file, `${guard('available < 99.8 %')}nonsense = 1\n`);
    child.kill('SIGHUP');
    await err.seen('the old configuration stays');
    await err.seen(`${file}:10: guard.rule[0].nonsense: there is no such setting.`);
    expect(child.exitCode).toBeNull();

    writeFileSync(file, guard('available < 99.7 %'));
    child.kill('SIGHUP');
    await err.seen('Reloaded');
    await out.seen('"rule":"available < 99.7 %"');
    child.kill('SIGTERM');
    const { code, stdout } = await end;
    expect(code).toBe(0);
    expect(stdout).not.toContain('99.8');
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Event);
    expect(events.flatMap(schemaErrors)).toEqual([]);
  });

  it('notifies systemd that it is ready, alive and stopping', async () => {
    writeFileSync(file, guard('available < 1 %'));
    const socket = join(directory, 'notify');
    const systemd = start('python3', ['-c', receiver, socket]);
    await systemd.out.seen('bound');
    const { child, end } = run({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: '400000' });
    // Before its time-out ends the start, which can take long.
    expect(await systemd.out.seen('EXTEND_TIMEOUT_USEC=')).toBe('EXTEND_TIMEOUT_USEC=300000000');
    expect(systemd.out.lines.filter((line) => line.includes('READY=1'))).toEqual([]);
    expect(await systemd.out.seen('READY=1')).toBe('READY=1|STATUS=guarding by 1 rule, dry_run');
    await systemd.out.seen('WATCHDOG=1');
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
    await systemd.out.seen('STOPPING=1');
  });

  it.each([
    ['', '--config: expected the configuration file', 2],
    [`--config ${join(directory, 'none.toml')}`, 'there is no such file', 66],
  ])('%j', async (args, part, exit) => {
    const { code, stderr } = await oomscope(['run', ...args.split(' ').filter(Boolean)]);
    expect(stderr).toContain(part);
    expect(code).toBe(exit);
  });
});

it('writes a line for each event with its priority for the journal, and reports levels', async () => {
  using _held = await holdMemory();
  const rule = `[[guard.rule]]\nname = "always"\nwhen = ["growth < 1T/s"]\nmin_size = "0"\n`;
  writeFileSync(file, `${quiet}[output]\nformat = "journal"\nlevels = "1s"\n[guard]\n${rule}`);
  const { child, end, out, err } = run();
  expect(await out.seen('guard.plan')).toMatch(/^<4>guard\.plan: Rule "always" fired, /);
  const level = await err.seen('Levels: ');
  expect(level).toMatch(/^<6>Levels: [\d.]+ [KMGT]iB of [\d.]+ [KMGT]iB available/);
  expect(out.lines.filter((line) => !/^<[246]>[a-z_]+\.[a-z_]+: \S/.test(line))).toEqual([]);
  child.kill('SIGTERM');
  expect((await end).code).toBe(0);
});
