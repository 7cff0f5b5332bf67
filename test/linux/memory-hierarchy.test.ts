import { expect, test } from 'vitest';
import { cgroupMounts, memoryHierarchy, mountRoot } from '../../src/linux/memory-hierarchy.ts';

test('finds the mount points of v1, of v2, and of both', () => {
  const of = (mountinfo: string) => memoryHierarchy(cgroupMounts(mountinfo));
  const line = (mount: string, type: string, options: string) =>
    `30 23 0:26 / ${mount} rw - ${type} cgroup rw,${options}\n`;
  const v1 = line('/cg/memory', 'cgroup', 'memory');
  const unified = line('/cg/unified', 'cgroup2', 'nsdelegate');
  const hybrid = { version: 1, mount: '/cg/memory', unified: '/cg/unified' };
  expect(of(v1 + unified)).toEqual(hybrid);
  expect(of(unified + v1)).toEqual(hybrid);
  expect(of(v1)).toEqual({ ...hybrid, unified: undefined });
  expect(of(unified)).toBeUndefined();
});

test('decodes octal escapes in a mount point with a space', () => {
  const mountinfo = '30 23 0:26 / /sys/fs/a\\040b rw - cgroup2 cgroup2 rw\n';
  expect(cgroupMounts(mountinfo)).toEqual({ memory: undefined, unified: '/sys/fs/a b' });
});

test('finds the root of a mount: in a container, its own cgroup', () => {
  const mountinfo =
    '30 23 0:26 /docker/a\\040b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n31 23 0:27 / /proc rw - proc proc rw\n';
  expect(mountRoot('/sys/fs/cgroup', mountinfo)).toBe('/docker/a b');
  expect(mountRoot('/proc', mountinfo)).toBe('/');
  expect(mountRoot('/nowhere', mountinfo)).toBeUndefined();
});
