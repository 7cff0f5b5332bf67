import { expect, test } from 'vitest';
import { checkNode, type NodeFiles } from '../../src/kubernetes/node-check.ts';

const KUBELET = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
featureGates:
  MemoryQoS: true
memorySwap: {swapBehavior: LimitedSwap}
evictionHard:
  memory.available: "5%"
singleProcessOOMKill: false
`;
const POD = 'kubepods-burstable-pod7c2b1f0e_91d4_4a53_8e6f_0123456789ab.slice';
const scope = (digit: string) => `cri-containerd-${digit.repeat(64)}.scope`;

/** A node, as its files show it: each path with its content. */
function node(files: Record<string, string>, more: Partial<NodeFiles> = {}): NodeFiles {
  const list = (path: string) => [
    ...new Set(
      Object.keys(files)
        .filter((each) => each.startsWith(`${path}/`))
        .map((each) => each.slice(path.length + 1).split('/')[0] as string),
    ),
  ];
  return { read: (path) => files[path], list, hierarchy: { version: 2, mount: '/cg' }, processes: [], ...more };
}

const found = (files: NodeFiles) =>
  Object.fromEntries(checkNode(files).map(({ name, state, found: text }) => [name, `${state}: ${text}`]));

test('a node on cgroup v2 says how its kubelet is set, and which containers are killed as a whole', () => {
  const group = (digit: string) =>
    `/cg/kubepods.slice/kubepods-burstable.slice/${POD}/${scope(digit)}/memory.oom.group`;
  const files = {
    '/var/lib/kubelet/config.yaml': KUBELET,
    '/proc/meminfo': 'MemTotal:       16777216 kB\n',
    '/proc/swaps': 'Filename Type Size Used Priority\n/dev/zram0 partition 1 0 1\n',
    ...{ [group('a')]: '1\n', [group('b')]: '0\n' },
  };
  expect(found(node(files, { processes: ['systemd-oomd'] }))).toMatchObject({
    cgroups: 'ok: version 2 at /cg',
    'cgroup driver': 'info: systemd (/var/lib/kubelet/config.yaml)',
    MemoryQoS: 'info: on',
    eviction: 'info: pods are evicted when less than 5% (819.2 MiB) is available',
    'group kills': 'warning: 1 of 2 containers are killed as a whole (memory.oom.group), singleProcessOOMKill: false',
    swap: 'info: 1 device, swapBehavior: LimitedSwap',
    'systemd-oomd': 'warning: runs on this node',
  });
});

test('cgroup v1, a damaged configuration, and a machine that is no node are a sentence each', () => {
  const files = { '/var/lib/kubelet/config.yaml': 'kind: [', '/proc/swaps': '' };
  expect(found(node(files, { hierarchy: { version: 1, mount: '/sys/fs/cgroup/memory' } }))).toEqual({
    cgroups: 'warning: version 1 at /sys/fs/cgroup/memory',
    kubelet: 'unknown: no configuration at /var/lib/kubelet/config.yaml',
    swap: 'info: none',
  });
  expect(found(node(files, { hierarchy: undefined })).cgroups).toBe('missing: no memory cgroups are mounted');
  const elsewhere = found(node({ '/proc/swaps': '' }, { processes: ['kubelet'] }));
  expect(elsewhere.kubelet).toBe('unknown: no configuration at /var/lib/kubelet/config.yaml');
  // Such as the laptop of a user: what it is set to says nothing about the cluster.
  expect(found(node({ '/proc/swaps': '' }))).toEqual({
    'this machine': 'info: no node: neither a kubelet nor a pod is here',
  });
});
