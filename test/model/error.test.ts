import { expect, test } from 'vitest';
import { Exit } from '../../src/cli/verb/exit.ts';
import { errorCodes, OomscopeError } from '../../src/model/error.ts';

test('an error has a code, a log and a cause', () => {
  const cause = new Error('below');
  const error = new OomscopeError('LIBBPF', 'it failed', { detail: 'log', cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'OomscopeError', code: 'LIBBPF', message: 'it failed', detail: 'log', cause });
  expect(String(error)).toBe('OomscopeError: it failed');
  expect(new OomscopeError('USAGE', 'x')).not.toHaveProperty('cause');
});

test('every code has a meaning, a remedy and an exit code', () => {
  for (const { meaning, remedy, exitCode } of Object.values(errorCodes)) {
    expect(meaning).toMatch(/^[A-Zl].*\.$/);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
    expect(Object.values(Exit)).toContain(exitCode);
  }
});
