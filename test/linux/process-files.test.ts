import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pageBytes } from '../../src/linux/page-size.ts';
import { memoryCgroup, parseCmdline, parseStat, parseStatus } from '../../src/linux/process-files.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');

describe('stat', () => {
  const rest =
    'S 12 34 100 0 -1 4194560 1 0 0 0 1 2 3 4 20 -5 7 0 987654 4096000 321 18446744073709551615 1 1 140730000000000 0 0';

  test.each(['node', 'a b', ') (', '(sd-pam)', ')', 'x) R 1 2', '', 'a\nb', 'Ä'])('of a process named "%s"', (comm) => {
    expect(parseStat(bytes(`100 (${comm}) ${rest}`))).toEqual({
      comm,
      state: 'S',
      ppid: 12,
      pgid: 34,
      threads: 7,
      startTicks: 987654,
      rssBytes: 321 * pageBytes(),
      stackStart: 140730000000000,
      kernelThread: false,
      exiting: false,
    });
  });

  test.each([
    ['S', 0x00200000, { kernelThread: true, exiting: false }],
    ['R', 0x4, { kernelThread: false, exiting: true }],
    ['Z', 0, { exiting: true }],
    ['X', 0, { exiting: true }],
    ['D', 0x400100, { kernelThread: false, exiting: false }],
  ])('state %s and flags %i', (state, flags, expected) => {
    const line = `1 (a) ${rest.replace('S 12', `${state} 12`).replace('4194560', String(flags))}`;
    expect(parseStat(bytes(line))).toMatchObject({ state, ...expected });
  });

  test('is undefined for bytes in another format, and for a line that ends before the start time', () => {
    parseStat(bytes(`100 (a) ${rest}`));
    for (const text of ['', '100', '100 (a', '100 (a) S 1 2', `100 (a) ${rest.slice(0, rest.indexOf('987654') - 1)}`]) {
      expect(parseStat(bytes(text))).toBeUndefined();
    }
  });

  test('is read if the line ends with the last needed field', () => {
    expect(parseStat(bytes('7 (a) S 1 2 3 0 -1 0 1 0 0 0 1 2 3 4 20 0 1 0 987654 1 2'))).toMatchObject({
      startTicks: 987654,
      rssBytes: 2 * pageBytes(),
    });
  });
});

describe('status', () => {
  const lines = (more: Record<string, string> = {}) =>
    Object.entries({
      Name: 'a',
      Uid: '1000\t1001\t1000\t1000',
      VmSize: '   9000 kB',
      VmRSS: '     60 kB',
      RssAnon: '     10 kB',
      RssFile: '     20 kB',
      RssShmem: '     30 kB',
      VmPTE: '      8 kB',
      VmSwap: '      4 kB',
      Threads: '1',
      SigPnd: '0000000000000000',
      ShdPnd: '0000000000000000',
      ...more,
    })
      .map(([name, value]) => `${name}:\t${value}\n`)
      .join('');

  test('returns sizes in bytes', () => {
    expect(parseStatus(bytes(lines()))).toEqual({
      uid: 1000,
      innerPid: null,
      hasMemory: true,
      totalVmBytes: 9000 * 1024,
      rssBytes: 60 * 1024,
      anonBytes: 10 * 1024,
      fileBytes: 20 * 1024,
      shmemBytes: 30 * 1024,
      pageTablesBytes: 8 * 1024,
      swapBytes: 4 * 1024,
      killPending: false,
    });
  });

  test('has the pid in the innermost pid namespace, where that is not the only one', () => {
    expect(parseStatus(bytes(lines({ NSpid: '1234' }))).innerPid).toBeNull();
    expect(parseStatus(bytes(lines({ NSpid: '1234\t56\t1' }))).innerPid).toBe(1);
  });

  test('is read whatever the order of its lines', () => {
    const turned = lines().trimEnd().split('\n').reverse().join('\n');
    expect(parseStatus(bytes(turned))).toEqual(parseStatus(bytes(lines())));
  });

  test('returns no memory for a kernel thread and for a zombie', () => {
    expect(parseStatus(bytes('Name:\tkthreadd\nUid:\t0\t0\t0\t0\nThreads:\t1\n'))).toMatchObject({
      uid: 0,
      hasMemory: false,
      rssBytes: 0,
      swapBytes: 0,
    });
  });

  test('does not mistake a process name for a line', () => {
    expect(parseStatus(bytes(lines({ Name: 'VmRSS: 99 kB' }))).rssBytes).toBe(60 * 1024);
  });

  test('finds a pending SIGKILL for the thread or for the process', () => {
    const pending = (name: string, mask: bigint) =>
      parseStatus(bytes(lines({ [name]: mask.toString(16).padStart(16, '0') }))).killPending;
    fc.assert(
      fc.property(fc.constantFrom('SigPnd', 'ShdPnd'), fc.bigInt(0n, 2n ** 64n - 1n), (name, mask) => {
        expect(pending(name, mask)).toBe(((mask >> 8n) & 1n) === 1n);
      }),
    );
  });
});

test('finds the memory cgroup on v1, on v2, and with both mounted', () => {
  expect(memoryCgroup('0::/user.slice/a.scope\n')).toBe('/user.slice/a.scope');
  expect(memoryCgroup('5:cpu,cpuacct:/x\n4:memory:/docker/abc\n1:name=systemd:/y\n')).toBe('/docker/abc');
  expect(memoryCgroup('3:hugetlb,memory:/both\n0::/unified\n')).toBe('/both');
  expect(memoryCgroup('2:cpu:/x\n0::/unified\n')).toBe('/unified');
  expect(memoryCgroup('4:memory:/with:colon\n')).toBe('/with:colon');
  expect(memoryCgroup('2:cpu:/x\n')).toBeUndefined();
  expect(memoryCgroup('')).toBeUndefined();
});

test('splits a command line into arguments', () => {
  expect(parseCmdline(bytes('sleep\x001000\0'))).toEqual(['sleep', '1000']);
  expect(parseCmdline(bytes('a\0\0b\0'))).toEqual(['a', '', 'b']);
  expect(parseCmdline(bytes(''))).toEqual([]);
});
