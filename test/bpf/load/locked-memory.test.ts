import { expect, test } from 'vitest';
import { countsAsLocked, explainLockedMemory } from '../../../src/bpf/load/locked-memory.ts';
import { OomscopeError } from '../../../src/model/error.ts';

const refused = new OomscopeError('NOT_PERMITTED', 'EPERM', { detail: 'libbpf: …' });
const limits = (bytes: string) =>
  `Max processes 1 1 processes\nMax locked memory         ${bytes}      ${bytes}      bytes\n`;

test('BPF counts as locked memory before 5.11', () => {
  const versions: [number, number][] = [
    [4, 18],
    [5, 10],
    [5, 11],
    [6, 1],
  ];
  expect(versions.map(countsAsLocked)).toEqual([true, true, false, false]);
});

test("explains the kernel's EPERM by the present limit", () => {
  const error = explainLockedMemory(refused, limits('65536'), new Set(['CAP_BPF'])) as OomscopeError;
  expect(error).toMatchObject({ code: 'NOT_PERMITTED', detail: 'libbpf: …', cause: refused });
  expect(error.message).toMatch(/CAP_SYS_RESOURCE.*here it is 64 KiB/);
});

test('leaves an error as it is where the limit cannot be its cause', () => {
  expect(explainLockedMemory(refused, limits('unlimited'), new Set())).toBe(refused);
  expect(explainLockedMemory(refused, limits('65536'), new Set(['CAP_SYS_RESOURCE']))).toBe(refused);
  const other = new OomscopeError('LIBBPF', 'EINVAL');
  expect(explainLockedMemory(other, limits('65536'), new Set())).toBe(other);
});
