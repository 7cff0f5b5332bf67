import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { BpfObject } from '../../../src/bpf/libbpf/index.ts';
import { libbpf } from '../../../src/bpf/libbpf/symbols.ts';
import { Counters } from '../../../src/bpf/wire/layout.ts';
import { OomscopeError } from '../../../src/model/error.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { startChild } from '../../kernel/children/child.ts';
import { bpfUnavailable } from '../../kernel/unavailable.ts';

const oomscope = readFileSync(nativeFile('oomscope.bpf.o'));
const floodBytes = readFileSync(nativeFile('flood.bpf.o'));
const opened: BpfObject[] = [];

const open = (bytes: Buffer) => {
  const object = BpfObject.open(bytes);
  opened.push(object);
  return object;
};

afterEach(() => {
  for (const object of opened.splice(0)) object.close();
});

function failure(action: () => unknown): OomscopeError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(OomscopeError);
    return error as OomscopeError;
  }
  return expect.fail('expected an error, got none');
}

/** Compiles a BPF object with the function `int program(void *ctx)` and this body. */
function compile(body: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'oomscope-test-'));
  const source = `
    #include <linux/bpf.h>
    #include <bpf/bpf_helpers.h>
    char LICENSE[] SEC("license") = "GPL";
    struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); __type(value, long); } values SEC(".maps");
    SEC("raw_tp/sys_enter") int program(void *ctx) { ${body} }`;
  try {
    writeFileSync(join(folder, 'a.bpf.c'), source);
    const include = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
    execFileSync('clang', ['-O2', '-g', '-target', 'bpf', include, '-c', 'a.bpf.c', '-o', 'a.o'], { cwd: folder });
    return readFileSync(join(folder, 'a.o'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('an object before it is loaded', () => {
  test('lists its programs with name and section', () => {
    const programs = open(oomscope).programs.map(({ name, section }) => [name, section]);
    expect(programs).toContainEqual(['mark_victim_task', 'tp_btf/mark_victim']);
    expect(programs).toContainEqual(['signal_generate_raw', 'raw_tp/signal_generate']);
    expect(programs.length).toBeGreaterThan(10);
  });

  test('has an autoload flag for each program', () => {
    const [first, second] = open(oomscope).programs;
    if (!first || !second) return expect.fail('expected two programs');
    first.autoload = false;
    expect([first.autoload, second.autoload]).toEqual([false, true]);
    first.autoload = true;
    expect(first.autoload).toBe(true);
  });

  test('lists its maps and can set their sizes', () => {
    const object = open(oomscope);
    const ring = object.map('ring');
    expect(ring).toMatchObject({ name: 'ring', maxEntries: 512 * 1024 });
    ring.maxEntries = 65536;
    expect(object.map('ring').maxEntries).toBe(65536);
    expect(object.map('counters').valueSize).toBe(Counters.size);
    expect(() => object.map('nothing')).toThrow(RangeError);
  });

  test('writes constants where the program reads them', () => {
    const object = open(oomscope);
    object.setConstant('possible_cpus', 0x01020304);
    object.setConstant('exit_is_last_step', 1);
    const btf = object.btf;
    const rodata = btf.type(btf.find('.rodata', 15) ?? -1);
    const bytes = object.map('.rodata').initialValue();
    const read = (name: string) => {
      const variable = btf.variables(rodata).find((each) => each.name === name);
      return bytes?.readUIntLE(variable?.offset ?? -1, variable?.size ?? 0);
    };
    expect([read('possible_cpus'), read('exit_is_last_step')]).toEqual([0x01020304, 1]);
    expect(() => object.setConstant('no_such_constant', 1)).toThrow(RangeError);
  });

  test('refuses bytes that are no BPF object, with libbpf’s message', () => {
    for (const bytes of [Buffer.from('not an object at all'), Buffer.alloc(4096), Buffer.alloc(1)]) {
      const error = failure(() => BpfObject.open(bytes));
      expect(error).toMatchObject({ code: 'LIBBPF', message: expect.stringContaining('could not be opened') });
      expect(error.detail).toMatch(/libbpf: .*ELF|elf/i);
    }
  });
});

test('refuses an object file that is cut off at any length', async () => {
  const { code, signal, said, stderr } = await startChild('truncate', []).ended;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  const [{ tried, refused, names }] = said as [{ tried: number; refused: number; names: string[] }];
  expect(names).toEqual(['OomscopeError']);
  expect(tried).toBeGreaterThan(500);
  expect(refused).toBe(tried);
});

describe.skipIf(bpfUnavailable())('an object in the kernel', () => {
  test('loads with all programs, and attaches them', () => {
    const object = open(oomscope);
    const chosen = ['mark_victim_plain', 'signal_generate_raw', 'wake_reaper_raw'];
    for (const program of object.programs) program.autoload = chosen.includes(program.name);
    object.load();
    for (const program of object.programs) {
      if (!program.autoload) continue;
      expect(program.id).toBeGreaterThan(0);
      if (program.name === 'mark_victim_plain') continue; // needs tracefs
      const link = program.attach();
      link.destroy();
      link.destroy();
    }
  });

  test('runs a program and returns its result', () => {
    const object = open(floodBytes);
    object.load();
    expect(object.programs.map((program) => program.run())).toEqual([512]);
  });

  test('shares a map with another object by the map’s id', () => {
    const object = open(floodBytes);
    object.load();
    const ring = object.map('ring');
    const fd = libbpf().bpf_map_get_fd_by_id(ring.id);
    expect(fd).toBeGreaterThan(2);
    const second = open(floodBytes);
    second.map('ring').reuse(fd);
    closeSync(fd);
    second.load();
    expect(second.map('ring').id).toBe(ring.id);
    expect(second.map('counters').id).not.toBe(object.map('counters').id);
  });

  test('throws when the kernel refuses the size of a map', () => {
    const object = open(floodBytes);
    object.map('counters').maxEntries = 0;
    const error = failure(() => object.load());
    expect(error).toMatchObject({
      code: 'LIBBPF',
      message: expect.stringMatching(/refused the BPF object: E[A-Z0-9]+/),
    });
    expect(error.detail).toContain('counters');
  });

  test('cannot change the size of a map after the load', () => {
    const object = open(floodBytes);
    object.load();
    expect(failure(() => (object.map('ring').maxEntries = 65536)).message).toContain('EBUSY');
  });

  test('reports the verifier’s last lines in the detail when it refuses a program', () => {
    const object = open(compile('int key = 0; long *value = bpf_map_lookup_elem(&values, &key); return *value;'));
    const error = failure(() => object.load());
    expect(error.message).toContain('The kernel refused the BPF object');
    expect(error.detail).toContain("R0 invalid mem access 'map_value_or_null'");
    expect(error.detail?.split('\n').length).toBeLessThanOrEqual(12);
  });

  test('does not repeat the log of an earlier failure in the next error', () => {
    failure(() => open(compile('int key = 0; return *(long *)bpf_map_lookup_elem(&values, &key);')).load());
    expect(failure(() => BpfObject.open(Buffer.from('garbage'))).detail).not.toContain('R0 invalid');
  });

  test('frees its maps and programs at close(), and a second close() does nothing', () => {
    const object = open(floodBytes);
    object.load();
    const { fd } = object.map('ring');
    object.close();
    object.close();
    expect(() => closeSync(fd)).toThrow('EBADF');
  });
});

test.each([
  ['closed', 'OomscopeError'],
  ['btfOfClosed', 'OomscopeError'],
  ['constantAfterLoad', 'OomscopeError'],
  ['btfFreedTwice', 'none'],
])('misuse does not crash: %s', async (name, error) => {
  expect(await startChild('misuse', [name]).ended).toMatchObject({ signal: null, code: 0, said: [error] });
});
