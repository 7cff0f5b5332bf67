import { expect, test } from 'vitest';
import { countsAsLocked, explainLockedMemory } from '../../../src/bpf/load/locked-memory.ts';
import { OomscopeError } from '../../../src/model/error.ts';

const refused = new OomscopeError('NOT_PERMITTED', 'EPERM', { detail: 'libbpf: …' });
const limits = (bytes: string) =>
  `Max processes 1 1 processes\nMax locked memory         ${bytes}      ${bytes}      bytes\n`;

test('knows that kernels before 5.11 count BPF memory as locked memory', () => {
  const versions: [number, number][] = [
    [4, 18],
    [5, 10],
    [5, 11],
    [6, 1],
  ];
  expect(versions.map(countsAsLocked)).toEqual([true, true, false, false]);
});

test('names the current limit of locked memory when the kernel returns EPERM', () => {
  const error = explainLockedMemory(refused, limits('65536'), new Set(['CAP_BPF'])) as OomscopeError;
  expect(error).toMatchObject({ code: 'NOT_PERMITTED', detail: 'libbpf: …', cause: refused });
  expect(error.message).toMatch(/CAP_SYS_RESOURCE.*here it is 64 KiB/);
});

test('returns an error unchanged if the limit of locked memory cannot be its cause', () => {
  expect(explainLockedMemory(refused, limits('unlimited'), new Set())).toBe(refused);
  expect(explainLockedMemory(refused, limits('65536'), new Set(['CAP_SYS_RESOURCE']))).toBe(refused);
  const other = new OomscopeError('LIBBPF', 'EINVAL');
  expect(explainLockedMemory(other, limits('65536'), new Set())).toBe(other);
});
