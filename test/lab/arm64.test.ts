/** Compiles only, since arm64 guests are slow: `npm run prove:truth -- --arch arm64` loads and runs the programs. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compileBpf } from '../../scripts/lab/arm64.ts';
import { BpfObject } from '../../src/bpf/libbpf/index.ts';
import { nativeFile } from '../../src/native/files.ts';
import { ROOT } from '../cli/cli.ts';

function programNames(path: string): string[] {
  const object = BpfObject.open(readFileSync(path));
  try {
    return object.programs.map(({ name }) => name);
  } finally {
    object.close();
  }
}

test('all BPF programs compile for arm64', async () => {
  const built = mkdtempSync(join(tmpdir(), 'oomscope-arm64-'));
  try {
    mkdirSync(join(built, 'build'));
    const object = await compileBpf(ROOT, join(ROOT, 'bpf/oom.bpf.c'), built);
    expect(programNames(object)).toEqual(programNames(nativeFile('oomscope.bpf.o')));
    // The objects differ in one thing: where the architecture keeps a function's first argument.
    expect(readFileSync(object).equals(readFileSync(nativeFile('oomscope.bpf.o')))).toBe(false);
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
});
