import { expect, test } from 'vitest';
import { OomscopeError } from '../../src/model/error.ts';

test('an error carries its code, its log and its cause', () => {
  const cause = new Error('below');
  const error = new OomscopeError('LIBBPF', 'it failed', { detail: 'log', cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'OomscopeError', code: 'LIBBPF', message: 'it failed', detail: 'log', cause });
  expect(String(error)).toBe('OomscopeError: it failed');
  expect(new OomscopeError('USAGE', 'x')).not.toHaveProperty('cause');
});
