import { expect, test } from 'vitest';
import { parseMeminfo, readMeminfo } from '../../src/linux/meminfo.ts';

const lines = `MemTotal:       24684012 kB
MemFree:        22392832 kB
MemAvailable:   23330532 kB
SwapTotal:          2048 kB
SwapFree:           1024 kB
AnonPages:        150000 kB
Shmem:              8228 kB
ShmemHugePages:     1111 kB
SUnreclaim:        42000 kB
KernelStack:        1000 kB
PageTables:         2000 kB
Percpu:             3000 kB
Unevictable:         500 kB
Hugetlb:            4096 kB
`;
const expected = {
  totalBytes: 24684012 * 1024,
  freeBytes: 22392832 * 1024,
  availableBytes: 23330532 * 1024,
  swapTotalBytes: 2048 * 1024,
  swapFreeBytes: 1024 * 1024,
  anonBytes: 150000 * 1024,
  shmemBytes: 8228 * 1024,
  slabUnreclaimableBytes: 42000 * 1024,
  kernelBytes: 48000 * 1024,
  unevictableBytes: 500 * 1024,
  hugetlbBytes: 4096 * 1024,
};

test('returns sizes in bytes, whatever the order of the lines', () => {
  expect(parseMeminfo(Buffer.from(lines))).toEqual(expected);
  expect(parseMeminfo(Buffer.from(lines.trimEnd().split('\n').reverse().join('\n')))).toEqual(expected);
});

test('returns 0 for a missing line and null for a missing file', () => {
  expect(parseMeminfo(Buffer.from('MemTotal: 1 kB\n'))).toMatchObject({ totalBytes: 1024, availableBytes: 0 });
  expect(parseMeminfo(undefined)).toBeNull();
  expect(readMeminfo('/nowhere')).toBeNull();
});

test('reads /proc/meminfo of the running machine', () => {
  const { totalBytes = 0, availableBytes = 0, freeBytes = 0 } = readMeminfo() ?? {};
  expect(totalBytes).toBeGreaterThan(2 ** 26);
  expect(availableBytes).toBeLessThanOrEqual(totalBytes);
  expect(freeBytes).toBeLessThanOrEqual(totalBytes);
});
