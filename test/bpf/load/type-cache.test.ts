import {
  chmodSync,
  chownSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type Answers, buildId, readTypeCache, writeTypeCache } from '../../../src/bpf/load/type-cache.ts';

const answers: Answers = {
  tracepoints: { mark_victim: ['task_struct *', 'uid_t'], unheard_of: null },
  functions: { bpf_send_signal_task: true, oom_kill_process: false },
  fentry: false,
  gfp: { IO: 0x40, FS: 0x80 },
};
const kernel = 'abc0 boot-1';
let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-types-'));
  file = join(directory, 'kernel-types.json');
  writeTypeCache(answers, { directories: [directory], kernel });
});
afterEach(() => rmSync(directory, { recursive: true }));

const read = (of = kernel) => readTypeCache({ directories: [directory], kernel: of });

it('keeps answers for the same kernel and boot, in a file for its owner alone', () => {
  expect(read()).toEqual(answers);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

describe('ignores a file that', () => {
  it('is about another kernel or another boot', () => {
    expect(read('abc1 boot-1')).toBeUndefined();
    expect(read('abc0 boot-2')).toBeUndefined();
  });

  it('is damaged at any byte, or cut', () => {
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length - 1; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at] = (whole[at] as number) ^ 0x04;
      writeFileSync(file, damaged);
      expect(read(), `byte ${at}`).toBeUndefined();
      writeFileSync(file, whole.subarray(0, at));
      expect(read(), `cut at ${at}`).toBeUndefined();
    }
  });

  it('has another shape, with a correct checksum', () => {
    for (const wrong of [
      {},
      { ...answers, tracepoints: { a: [1] } },
      { ...answers, functions: { a: 'yes' } },
      null,
      [],
    ]) {
      writeTypeCache(wrong as Answers, { directories: [directory], kernel });
      expect(read(), JSON.stringify(wrong)).toBeUndefined();
    }
  });

  it('others can write to, or that has a second name', () => {
    chmodSync(file, 0o620);
    expect(read()).toBeUndefined();
    chmodSync(file, 0o600);
    expect(read()).toEqual(answers);
    linkSync(file, join(directory, 'second'));
    expect(read()).toBeUndefined();
  });

  it('is a symbolic link', () => {
    const copy = join(directory, 'copy');
    writeFileSync(copy, readFileSync(file), { mode: 0o600 });
    rmSync(file);
    symlinkSync(copy, file);
    expect(read()).toBeUndefined();
  });

  it.runIf(process.geteuid?.() === 0)('belongs to another user', () => {
    chownSync(file, 12345, 12345);
    expect(read()).toBeUndefined();
    chownSync(file, 0, 0);
    chownSync(directory, 12345, 12345);
    expect(read()).toBeUndefined();
  });
});

it('keeps nothing where it cannot write, and leaves no file behind', () => {
  expect(() => writeTypeCache(answers, { directories: ['/proc/self/none'], kernel })).not.toThrow();
  writeFileSync(join(directory, `.kernel-types.json.${process.pid}`), ''); // as after a crash
  rmSync(file);
  writeTypeCache(answers, { directories: [directory], kernel });
  expect(read()).toBeUndefined();
  writeTypeCache(answers, { directories: [directory], kernel });
  expect(read()).toEqual(answers);
});

it('finds the build id among other notes, and none in damaged ones', () => {
  const note = (type: number, name: string, content: Buffer) => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(name.length, 0);
    head.writeUInt32LE(content.length, 4);
    head.writeUInt32LE(type, 8);
    const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
    return Buffer.concat([head, padded(Buffer.from(name)), padded(content)]);
  };
  const notes = Buffer.concat([note(6, 'Linux\0', Buffer.alloc(5)), note(3, 'GNU\0', Buffer.from('4a5a9b', 'hex'))]);
  expect(buildId(notes)).toBe('4a5a9b');
  expect(buildId(notes.subarray(0, -2))).toBeUndefined();
  expect(buildId(Buffer.alloc(64, 0xff))).toBeUndefined();
});
