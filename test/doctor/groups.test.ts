import { expect, test } from 'vitest';
import { groups } from '../../src/doctor/groups.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import { madeRoot } from './made-root.ts';

const ID = 'a1b2c3d4e5f60718'.repeat(4);

/** The findings on an invented cgroup v2 hierarchy without limits. */
function withoutLimits(...paths: string[]) {
  const files = paths.flatMap((path) => [
    [`${path}/memory.current`, '4096\n'],
    [`${path}/memory.max`, 'max\n'],
  ]);
  using root = madeRoot(Object.fromEntries(files));
  const found = groups(new Cgroupfs({ mount: root.path, version: 2, unified: root.path }));
  return (name: string) => found.find((finding) => finding.name === name)?.found;
}

test.each([
  [`/system.slice/docker-${ID}.scope`, '1 without any memory limit: docker-a1b2c3d4e5f6.scope (4 KiB)'],
  [`/docker/${ID}/init.scope`, '1 without any memory limit: a1b2c3d4e5f6 (4 KiB)'], // and a cgroup below it
  ['/lxc/web', '1 without any memory limit: web (4 KiB)'],
  [`/machine.slice/libpod-conmon-${ID}.scope`, undefined], // the monitor of a container, not the container
])('reports %s as a container without a limit only if it is a container', (path, expected) => {
  expect(withoutLimits(path.replace('/init.scope', ''), path)('containers')).toBe(expected);
});

test('counts a service without a limit once, not again for the cgroups below it', () => {
  const found = withoutLimits('/system.slice/ssh.service', '/system.slice/ssh.service/session');
  expect(found('services')).toBe('1 without any memory limit: ssh.service (4 KiB)');
  expect(found('containers')).toBeUndefined();
});
