import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { onlineCpus } from '../../src/linux/online-cpus.ts';

test.each([
  ['0\n', 1],
  ['0-3\n', 4],
  ['0-1,4,6-7\n', 5],
  ['', 1],
])('counts the CPUs of %j', (text, count) => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-cpus-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'online'), text);
  expect(onlineCpus(join(directory, 'online'))).toBe(count);
});

test('counts the CPUs of this machine', () => {
  expect(onlineCpus()).toBeGreaterThanOrEqual(1);
  expect(onlineCpus('/nonexistent')).toBe(1);
});
