import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Btf, Kind } from '../../../src/bpf/libbpf/index.ts';
import { smallBtf } from '../../../src/bpf/load/small-btf.ts';
import { smallBtfIn } from '../../../src/bpf/load/small-btf-file.ts';
import { kernelTypeNames } from '../../../src/bpf/wire/layout.ts';

const names = ['task_struct', 'mem_cgroup', 'oom_control', 'cgroup_subsys_id', 'nodemask_t'];
const kernel = 'abc0 boot-1';
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-btf-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const make = (of = kernel, wanted: readonly string[] = names) =>
  smallBtfIn({ directories: [directory], kernel: of }, wanted) as string;

/** A type in words, with all that CO-RE looks at: names, kinds, offsets and sizes, but nothing behind a pointer. */
function describeType(btf: Btf, id: number): unknown {
  const type = btf.resolve(id);
  const { kind, name, size } = type;
  if (kind === Kind.ptr) return 'pointer';
  if (kind === Kind.array) {
    const { element, length } = btf.array(type);
    return [describeType(btf, element), length];
  }
  if (kind === Kind.struct || kind === Kind.union) {
    const members = btf.members(type).map((each) => [each.name, each.bits, describeType(btf, each.type)]);
    return { kind, name, size, members };
  }
  return kind === Kind.enum || kind === Kind.enum64
    ? { kind, name, size, values: btf.enumValues(type) }
    : { kind, name, size };
}

it("keeps the kernel's own description of each type that the BPF objects read", () => {
  const [whole, small] = [Btf.ofKernel(), Btf.ofFile(make(kernel, kernelTypeNames))];
  const kinds = [Kind.struct, Kind.union, Kind.enum, Kind.enum64, Kind.typedef];
  let compared = 0;
  for (const name of kernelTypeNames) {
    for (const kind of kinds) {
      const [there, here] = [whole.find(name, kind), small.find(name, kind)];
      expect(here === undefined, name).toBe(there === undefined);
      if (there === undefined || here === undefined) continue;
      expect(describeType(small, here), name).toEqual(describeType(whole, there));
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(30);
  expect(small.count).toBeLessThan(whole.count / 50);
  whole.free();
  small.free();
});

it('leaves the file as it is for the next start', () => {
  const path = make();
  const { ino, mode } = statSync(path);
  expect(mode & 0o777).toBe(0o600);
  expect(make()).toBe(path);
  expect(statSync(path).ino).toBe(ino);
});

it('has a file of its own for other names', () => {
  expect(make(kernel, ['task_struct'])).not.toBe(make());
  expect(readdirSync(directory)).toHaveLength(2);
});

describe('replaces a file that', () => {
  const replaced = (spoil: (path: string, bytes: Buffer) => void) => {
    const path = make();
    const good = readFileSync(path);
    spoil(path, good);
    expect(make()).toBe(path);
    expect(readFileSync(path).equals(good)).toBe(true);
  };

  it('is damaged or cut', () => {
    for (const at of [0, 30, 1000]) {
      replaced((path, bytes) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] as number) ^ 0x10;
        writeFileSync(path, damaged);
      });
    }
    replaced((path, bytes) => writeFileSync(path, bytes.subarray(0, 500)));
    replaced((path) => writeFileSync(path, ''));
  });

  it('is about another boot', () => {
    make('abc0 boot-2');
    replaced(() => make('abc0 boot-2'));
  });

  it('others can write to', () => replaced((path) => chmodSync(path, 0o666)));

  it('is a link', () => {
    replaced((path, bytes) => {
      const other = join(directory, 'other');
      writeFileSync(other, bytes, { mode: 0o600 });
      rmSync(path);
      symlinkSync(other, path);
    });
  });
});

it('makes no file in a directory to which others can write', () => {
  chmodSync(directory, 0o777);
  expect(make()).toBeUndefined();
  expect(readdirSync(directory)).toEqual([]);
});

it('takes no BTF whose form is not known', () => {
  const whole = readFileSync('/sys/kernel/btf/vmlinux');
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(whole);
    copy[at] = value;
    return copy;
  };
  const first = 24 + whole.readUInt32LE(8);
  expect(smallBtf(changed(2, 2), names, 'mark')).toBeUndefined(); // another version
  expect(smallBtf(changed(first + 7, 25), names, 'mark')).toBeUndefined(); // a kind that does not exist
  expect(smallBtf(changed(first + 6, 1), names, 'mark')).toBeUndefined(); // more members than the format allows today
  expect(smallBtf(whole.subarray(0, 100_000), names, 'mark')).toBeUndefined();
  expect(smallBtf(Buffer.alloc(10), names, 'mark')).toBeUndefined();
});
