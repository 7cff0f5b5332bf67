/**
 * The undo ledger of the guard and of `protect`. The tests only raise values, because lowering one needs a capability.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { bootId } from '../../src/linux/boot-id.ts';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { processKey } from '../../src/process/undo-entry.ts';
import { UndoLedger } from '../../src/process/undo-ledger.ts';
import { ROOT } from '../cli/cli.ts';
import { nodeFlags } from '../kernel/children/child.ts';

let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-ledger-'));
  path = join(directory, 'undo.jsonl');
  return () => rmSync(directory, { recursive: true });
});

const options = { mayWrite: (file: string) => file.startsWith(`${directory}/`) };
const open = () => UndoLedger.open(path, options);

interface Sleeper {
  pid: number;
  start_ticks: number;
  child: ChildProcess;
}

function sleeper(): Sleeper {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = child.pid as number;
  setAdj(pid, 100);
  return { pid, start_ticks: startTicksOf(pid) as number, child };
}

const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));
function setAdj(pid: number, value: number) {
  writeFileSync(`/proc/${pid}/oom_score_adj`, String(value));
}

/** Records a change in the ledger, and makes the change. */
function raise(ledger: UndoLedger, { pid, start_ticks }: Sleeper, to: number): void {
  const before = String(adjOf(pid));
  ledger.record([{ kind: 'oom_score_adj', pid, start_ticks, by: 'test', before, written: String(to) }]);
  setAdj(pid, to);
}

function writeFile(ledger: UndoLedger, file: string, before: string | null, written: string, lasting?: true): void {
  ledger.record([{ kind: 'file', path: file, by: 'test', before, written, ...(lasting && { lasting }) }]);
  writeFileSync(file, `${written}\n`);
}

const line = (given: object) =>
  `${JSON.stringify({ kind: 'oom_score_adj', boot_id: bootId(), time: '', by: '', ...given })}\n`;
const write = (text: string, mode = 0o600) => {
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
};

describe('undo', () => {
  test('restores processes and files, and removes the file of the ledger when it is closed', () => {
    const ledger = open();
    const one = sleeper();
    const [there, created] = [join(directory, 'there'), join(directory, 'sub', 'created')];
    writeFileSync(there, 'max\n');
    mkdirSync(join(directory, 'sub'));
    raise(ledger, one, 900);
    writeFile(ledger, there, 'max', '1000');
    writeFile(ledger, created, null, 'text');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(ledger.accounts().map(({ entry }) => entry.before)).toEqual(['100', 'max', null]);
    expect(ledger.undoAll().map(({ outcome }) => outcome)).toEqual(['restored', 'restored', 'restored']);
    expect([adjOf(one.pid), readFileSync(there, 'utf8'), existsSync(join(directory, 'sub'))]).toEqual([
      100,
      'max',
      false,
    ]);
    expect(existsSync(path)).toBe(true); // the name stays taken while the ledger is open
    ledger.close();
    expect(existsSync(path)).toBe(false);
  });

  test('of several changes restores the value from before the first change', () => {
    using ledger = open();
    const one = sleeper();
    for (const value of [300, 500, 400]) raise(ledger, one, value);
    expect(ledger.accounts()).toHaveLength(1);
    expect(ledger.undoAll()).toMatchObject([{ outcome: 'restored', entry: { before: '100' } }]);
    expect(adjOf(one.pid)).toBe(100);
  });

  test('does not overwrite a value of another program, and ignores a change that was never made', () => {
    using ledger = open();
    const [changed, back] = [sleeper(), sleeper()];
    for (const each of [changed, back]) raise(ledger, each, 900);
    setAdj(changed.pid, 333);
    setAdj(back.pid, 100);
    expect(ledger.undoAll().map(({ outcome, detail }) => [outcome, detail])).toEqual([
      ['changed', 'it reads 333 now'],
      ['untouched', null],
    ]);
    expect(adjOf(changed.pid)).toBe(333);
  });

  test('does not touch a process that reuses the pid of another, or that has exited', async () => {
    const [reused, exited] = [sleeper(), sleeper()];
    for (const { pid } of [reused, exited]) setAdj(pid, 900);
    write(
      line({ pid: reused.pid, start_ticks: reused.start_ticks - 1, before: '100', written: '900' }) +
        line({ pid: exited.pid, start_ticks: exited.start_ticks, before: '100', written: '900' }),
    );
    exited.child.kill('SIGKILL');
    await once(exited.child, 'exit');
    using ledger = open();
    expect(ledger.undoAll().map(({ outcome }) => outcome)).toEqual(['gone', 'gone']);
    expect(adjOf(reused.pid)).toBe(900);
  });

  test('keeps an entry in the ledger when the kernel refuses to undo it', () => {
    const ledger = open();
    const file = join(directory, 'file');
    writeFile(ledger, file, 'a', 'b');
    rmSync(file);
    mkdirSync(file); // reading it is refused
    expect(ledger.undoAll()).toMatchObject([{ outcome: 'refused', detail: expect.stringContaining('EISDIR') }]);
    ledger.close();
    expect(UndoLedger.peek(path, options)).toHaveLength(1);
  });
});

describe('after a crash', () => {
  /** Starts a process that opens the ledger, raises the oom_score_adj of another process, and waits. */
  async function holder(target: Sleeper): Promise<ChildProcess> {
    const code = `
      import { UndoLedger } from ${JSON.stringify(join(import.meta.dirname, '../../src/process/undo-ledger.ts'))};
      const ledger = UndoLedger.open(${JSON.stringify(path)});
      const process = { kind: 'oom_score_adj', pid: ${target.pid}, start_ticks: ${target.start_ticks} };
      ledger.record([{ ...process, by: 'test', before: '100', written: '900' }]);
      console.log('ready');
      setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, [...nodeFlags, '--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    setAdj(target.pid, 900);
    return child;
  }

  test('the next run undoes the changes that are left, but does nothing while the first run is alive', async () => {
    const target = sleeper();
    const first = await holder(target);
    const before = readFileSync(path, 'utf8');
    expect(open).toThrow(`${path} is in use by process ${first.pid}: stop that process first, or choose another file`);
    expect([adjOf(target.pid), readFileSync(path, 'utf8')]).toEqual([900, before]);
    first.kill('SIGKILL');
    await once(first, 'exit');
    using ledger = open();
    expect(ledger.undoAll().map(({ outcome }) => outcome)).toEqual(['restored']);
    expect(adjOf(target.pid)).toBe(100);
  });

  test('a run after a reboot undoes only changes of files that survive a reboot', () => {
    const target = sleeper();
    const file = join(directory, 'drop-in');
    writeFileSync(file, 'text\n');
    const { pid, start_ticks } = target;
    write(
      line({ boot_id: 'yesterday', pid, start_ticks, before: '0', written: '100' }) +
        line({ kind: 'file', boot_id: null, path: file, before: null, written: 'text' }),
    );
    using ledger = open();
    expect(ledger.undoAll()).toMatchObject([{ outcome: 'restored', entry: { path: file } }]);
    expect([adjOf(pid), existsSync(file)]).toEqual([100, false]);
  });

  test.each(['{', '{"kind":"oom_score_a', '\0\0\0'])(
    'a last line that was cut off (%j) is of a change that was not made',
    (cut) => {
      const { pid, start_ticks } = sleeper();
      const whole = line({ pid, start_ticks, before: '0', written: '100' });
      write(whole + cut);
      expect(UndoLedger.peek(path, options)).toHaveLength(1);
      const ledger = open();
      expect(readFileSync(path, 'utf8')).toBe(whole);
      ledger.close();
      expect(UndoLedger.peek(path, options)).toHaveLength(1);
    },
  );
});

describe('refuses a file that cannot be trusted, names it in the error, and does not change it:', () => {
  const entry = { pid: 50, start_ticks: 1, before: '0', written: '1' };
  test.each([
    ['a line that is no JSON', '{"kind":\n'],
    ['another program’s JSON', '{"hello":1}\n'],
    ['a line that is not an object', '7\n'],
    ['a value that no process can have', line({ ...entry, before: '5000' })],
    ['init', line({ ...entry, pid: 1 })],
    ['a process without its start', line({ ...entry, start_ticks: '../1' })],
    ['a path that the ledger may not write', line({ kind: 'file', path: '/etc/passwd', before: '', written: '' })],
    ['a path that leads elsewhere', line({ kind: 'file', path: '/tmp/../etc/passwd', before: '', written: '' })],
  ])('%s', (_, text) => {
    write(line(entry) + text + line(entry));
    expect(open).toThrow(`${path}:2: expected a line of oomscope's undo file`);
    expect(() => UndoLedger.peek(path, options)).toThrow(`${path}:2:`);
    expect(readFileSync(path, 'utf8')).toBe(line(entry) + text + line(entry));
  });

  test('a file of another program, with or without a newline', () => {
    for (const text of ['password = "secret"', '[{"file":"/sys/fs/cgroup/a/memory.high"}]', 'a\n{"kind":"']) {
      write(text);
      expect(open).toThrow(`${path}:1: expected a line of oomscope's undo file`);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  });

  test.each([0o644, 0o620, 0o602, 0o660])('mode %o', (mode) => {
    write(line(entry), mode);
    expect(open).toThrow(`${path}: expected an undo file of this user with mode 600, got one of uid`);
  });

  test.skipIf(process.getuid?.() !== 0)('a file of another user', () => {
    write('');
    chownSync(path, 65534, 65534);
    expect(open).toThrow('got one of uid 65534 with mode 600');
  });

  test.each(['/proc/self/mem', '/proc/self/pagemap', '/proc/kmsg'])('%s, at once', (file) => {
    const script = `import { UndoLedger } from ${JSON.stringify(join(ROOT, 'dist/process/undo-ledger.js'))};
      try { UndoLedger.open(process.argv[1]); } catch (error) { console.log(error.message); }`;
    const args = ['--input-type=module', '-e', script, file];
    const { stdout, signal } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 10_000 });
    expect(signal).toBeNull();
    expect(stdout).toMatch(/expected an undo file.*Choose another file with --state-file\.\n$/);
  });

  test('a symbolic link or a directory', () => {
    writeFileSync(join(directory, 'other'), '');
    symlinkSync(join(directory, 'other'), path);
    expect(open).toThrow(`Cannot open or write the undo file ${path}`);
    expect(() => UndoLedger.open(directory)).toThrow(directory);
  });
});

test('only one process can open the file at a time, also after the file was rewritten', () => {
  const ledger = open();
  const one = sleeper();
  raise(ledger, one, 200);
  expect(open).toThrow(`in use by process ${process.pid}`);
  const key = processKey(2 ** 22 - 1, 1);
  const other = { kind: 'oom_score_adj' as const, pid: 2 ** 22 - 1, start_ticks: 1, by: 'test' };
  for (let i = 0; i < 3000; i++) {
    ledger.record([{ ...other, before: '0', written: '1' }]);
    ledger.settle(key);
  }
  expect(statSync(path).size).toBeLessThan(200_000);
  expect(open).toThrow(`in use by process ${process.pid}`);
  expect(ledger.undoAll()).toMatchObject([{ outcome: 'restored', entry: { pid: one.pid } }]);
  ledger.close();
  using _ = open();
});

test('open() throws when the file cannot be created', () => {
  expect(() => UndoLedger.open('/nonexistent/undo.jsonl')).toThrow(
    'Cannot open or write the undo file /nonexistent/undo.jsonl: ENOENT. Choose another file with --state-file.',
  );
});

test('entries that are written after a cut line can be read', () => {
  appendFileSync(path, '{"kind"', { mode: 0o600 });
  chmodSync(path, 0o600);
  const ledger = open();
  raise(ledger, sleeper(), 200);
  expect(UndoLedger.peek(path, options)).toHaveLength(1);
  ledger.undoAll();
  ledger.close();
});
