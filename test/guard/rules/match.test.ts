import { expect, test } from 'vitest';
import { readGuard } from '../../../src/config/guard.ts';
import { matches, wholeNames } from '../../../src/guard/rules/match.ts';
import { comm, process_ } from './world.ts';

const session = process_(1001, {
  comm: 'gnome-session-b',
  exe: '/usr/libexec/gnome-session-binary',
  cmdline: '/usr/libexec/gnome-session-binary --session=gnome',
});
const named = comm('^gnome-session-binary$');

test('a name that the kernel has truncated matches in full, by its program', () => {
  expect(matches(named, session, true)).toBe(true);
  expect(matches(comm('^gnome-session-b$'), session, true)).toBe(true);
  expect(matches(named, { ...session, exe: `${session.exe} (deleted)` }, true)).toBe(true);
});

test('a name that only the arguments have does not spare a process, but may make it preferred', () => {
  const pretender = { ...session, exe: '/tmp/eater' };
  expect(matches(named, pretender, true)).toBe(false);
  expect(matches(named, pretender, false)).toBe(true);
  const script = process_(1, {
    comm: 'my-long-script-',
    exe: '/usr/bin/perl',
    cmdline: 'perl /opt/my-long-script-name --x',
  });
  expect(wholeNames(script)).toEqual({ byProgram: [], byArguments: ['my-long-script-name'] });
});

test('a program that has another name than the process does not count', () => {
  const renamed = process_(1002, { comm: 'node-MainThread', exe: '/usr/bin/node', cmdline: 'node app.js' });
  expect(wholeNames(renamed)).toEqual({ byProgram: [], byArguments: [] });
  expect(matches(comm('^node$'), renamed, true)).toBe(false);
  const short = process_(1003, { comm: 'sh', exe: '/usr/bin/shark', cmdline: 'shark' });
  expect(matches(comm('^shark$'), short, false)).toBe(false);
});

test.each([
  ['cwd', '^/srv/', { cwd: '/srv/app' }, { cwd: '/home' }],
  ['environ', '^JOB=batch$', { environ: ['HOME=/', 'JOB=batch'] }, { environ: ['JOB=batch2', 'OLDJOB=batch'] }],
])('a condition on %s holds only for a value that was read', (name, source, fits, other) => {
  const { guard } = readGuard({ protect: [{ [name]: source }] });
  const match = guard?.policy.protect.at(-1);
  if (!match) throw new Error('expected a match');
  expect(matches(match, process_(1, fits), false)).toBe(true);
  expect(matches(match, process_(1, other), false)).toBe(false);
  expect(matches(match, process_(1, { [name]: null }), false)).toBe(false);
  expect(matches(match, process_(1, {}), false)).toBe(false);
});
