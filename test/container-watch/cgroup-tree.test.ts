import { expect, test } from 'vitest';
import { CgroupTree } from '../../src/container-watch/cgroup-tree.ts';
import { ContainerResolver } from '../../src/containers/container-resolver.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import type { CgroupNode } from '../../src/model/cgroup-tree.ts';

const cgroups = Cgroupfs.find();

/** The usage of a parent and of its child are read at different moments, and memory may move in between. */
const SLACK = 1.1;
const SLACK_BYTES = 64 * 2 ** 20;

test.skipIf(!cgroups)('no cgroup uses more memory than the machine or its parent', () => {
  const resolver = new ContainerResolver({ sockets: [], storage: [] });
  using tree = new CgroupTree(cgroups as Cgroupfs, resolver);
  const offenders: string[] = [];
  const visit = (node: CgroupNode): void => {
    for (const child of node.children) {
      const most = node.working_set_bytes * SLACK + SLACK_BYTES;
      if (child.working_set_bytes > most) offenders.push(`${child.path}: ${child.working_set_bytes} of ${most}`);
      visit(child);
    }
  };
  visit(tree.sample() as CgroupNode);
  resolver.close();
  expect(offenders).toEqual([]);
});
