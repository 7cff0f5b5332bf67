import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containersIn, ownerOf } from '../../src/containers/container-path.ts';

const A = 'a1b2c3d4e5f60718'.repeat(4);
const B = '0f1e2d3c4b5a6978'.repeat(4);
const UID = '7c2b1f0e-91d4-4a53-8e6f-0123456789ab';
const UID_ = UID.replaceAll('-', '_');
const HASH = '0123456789abcdef0123456789abcdef';

interface Case {
  what: string;
  path: string | null;
  /** "runtime:id"; "?:id" if the path does not tell the runtime; null if the path is in no container. */
  container: string | null;
  unit?: string;
  pod?: string;
}

const slice = '/kubepods.slice/kubepods-burstable.slice';
const cases: Case[] = [
  { what: 'kubelet, cgroupfs', path: `/kubepods/burstable/pod${UID}/${A}`, container: `?:${A}`, pod: UID },
  { what: 'kubelet, cgroupfs, guaranteed', path: `/kubepods/pod${UID}/${A}`, container: `?:${A}`, pod: UID },
  { what: 'a static pod', path: `/kubepods/besteffort/pod${HASH}/${A}`, container: `?:${A}`, pod: HASH },
  { what: 'a pod itself', path: `/kubepods/burstable/pod${UID}`, container: null, pod: UID },
  {
    what: 'containerd, systemd',
    path: `${slice}/kubepods-burstable-pod${UID_}.slice/cri-containerd-${A}.scope`,
    ...{ container: `containerd:${A}`, unit: `cri-containerd-${A}.scope`, pod: UID },
  },
  {
    what: 'containerd, guaranteed, systemd',
    path: `/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-${A}.scope`,
    ...{ container: `containerd:${A}`, unit: `cri-containerd-${A}.scope`, pod: UID },
  },
  {
    what: 'a pod itself, systemd',
    path: `${slice}/kubepods-burstable-pod${UID_}.slice`,
    ...{ container: null, unit: `kubepods-burstable-pod${UID_}.slice`, pod: UID },
  },
  {
    what: 'a name that was meant for systemd',
    path: `${slice}/kubepods-burstable-pod${UID_}.slice:cri-containerd:${A}`,
    ...{ container: `containerd:${A}`, unit: 'kubepods-burstable.slice', pod: UID },
  },
  {
    what: 'the same below a service',
    path: `/system.slice/containerd.service/kubepods-pod${UID_}.slice:cri-containerd:${A}`,
    ...{ container: `containerd:${A}`, unit: 'containerd.service', pod: UID },
  },
  {
    what: 'CRI-O',
    path: `${slice}/kubepods-burstable-pod${UID_}.slice/crio-${A}.scope`,
    ...{ container: `cri-o:${A}`, unit: `crio-${A}.scope`, pod: UID },
  },
  { what: 'CRI-O, cgroupfs', path: `/kubepods/burstable/pod${UID}/crio-${A}`, container: `cri-o:${A}`, pod: UID },
  {
    what: 'its monitor',
    path: `${slice}/kubepods-burstable-pod${UID_}.slice/crio-conmon-${A}.scope`,
    ...{ container: null, unit: `crio-conmon-${A}.scope`, pod: UID },
  },
  {
    what: 'kind: a node in a container',
    path: `/docker/${B}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID_}.slice/cri-containerd-${A}.scope`,
    ...{ container: `containerd:${A}`, unit: `cri-containerd-${A}.scope`, pod: UID },
  },
  { what: 'Docker, cgroupfs', path: `/docker/${A}`, container: `docker:${A}` },
  { what: 'Docker, v2 and cgroup namespace seen from outside', path: `/docker/${A}/init`, container: `docker:${A}` },
  { what: 'Docker, seen from inside', path: `/../../docker/${A}`, container: `docker:${A}` },
  {
    what: 'Docker, systemd',
    path: `/system.slice/docker-${A}.scope`,
    ...{ container: `docker:${A}`, unit: `docker-${A}.scope` },
  },
  {
    what: 'Docker, rootless',
    path: `/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${A}.scope`,
    ...{ container: `docker:${A}`, unit: `docker-${A}.scope` },
  },
  { what: 'Docker, --cgroup-parent', path: `/shop/${A}`, container: `?:${A}` },
  {
    what: 'Docker, --cgroup-parent a slice, cgroupfs',
    path: `/shop.slice/${A}`,
    container: `?:${A}`,
    unit: 'shop.slice',
  },
  { what: 'Docker, gone', path: `/docker/${A} (deleted)`, container: `docker:${A}` },
  { what: 'GitHub Actions', path: `/actions_job/${A}`, container: `docker:${A}` },
  { what: 'Docker in Docker', path: `/docker/${B}/docker/${A}`, container: `docker:${A}` },
  { what: 'sysbox', path: `/docker/${B}/syscont-cgroup-root/init.scope`, container: `docker:${B}` },
  {
    what: 'Podman',
    path: `/machine.slice/libpod-${A}.scope`,
    ...{ container: `podman:${A}`, unit: `libpod-${A}.scope` },
  },
  {
    what: 'Podman with crun on v2',
    path: `/machine.slice/libpod-${A}.scope/container`,
    ...{ container: `podman:${A}`, unit: `libpod-${A}.scope` },
  },
  { what: 'Podman, cgroupfs', path: `/libpod_parent/libpod-${A}`, container: `podman:${A}` },
  {
    what: 'Podman, split',
    path: `/system.slice/shop.service/libpod-payload-${A}`,
    ...{ container: `podman:${A}`, unit: 'shop.service' },
  },
  {
    what: 'Podman, rootless',
    path: `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${A}.scope/container`,
    ...{ container: `podman:${A}`, unit: `libpod-${A}.scope` },
  },
  {
    what: "Podman's monitor",
    path: `/machine.slice/libpod-conmon-${A}.scope`,
    ...{ container: null, unit: `libpod-conmon-${A}.scope` },
  },
  { what: "Podman's monitor, cgroupfs", path: '/libpod_parent/conmon', container: null },
  { what: 'nerdctl, cgroupfs', path: `/default/${A}`, container: `containerd:${A}` },
  {
    what: 'another runtime with systemd',
    path: `/system.slice/mine-${A}.scope`,
    ...{ container: `?:${A}`, unit: `mine-${A}.scope` },
  },
  {
    what: 'LXC',
    path: '/lxc.payload.web-1/system.slice/nginx.service',
    container: 'lxc:web-1',
  },
  { what: 'LXC, of old', path: '/lxc/web', container: 'lxc:web' },
  { what: "LXC's monitor", path: '/lxc.monitor.web', container: null },
  { what: 'Docker in LXC', path: `/lxc.payload.ci/docker/${A}`, container: `docker:${A}` },
  {
    what: 'nspawn',
    path: '/machine.slice/systemd-nspawn@deb\\x2d12.service/payload/system.slice',
    ...{ container: 'systemd-nspawn:deb-12', unit: 'systemd-nspawn@deb\\x2d12.service' },
  },
  {
    what: 'Garden',
    path: '/garden/5d6f3a9b-1c2d-4e5f-6071-8293',
    container: 'garden:5d6f3a9b-1c2d-4e5f-6071-8293',
  },
  { what: 'Kata', path: `/kata_overhead/${A}`, container: `kata:${A}` },
  { what: 'Kata 1', path: `/kubepods/burstable/pod${UID}/kata_${A}`, container: `kata:${A}`, pod: UID },
  {
    what: 'a machine of nspawn',
    path: '/machine.slice/machine-deb\\x2d12.scope/payload',
    ...{ container: 'systemd-nspawn:deb-12', unit: 'machine-deb\\x2d12.scope' },
  },
  {
    what: 'a machine of libvirt',
    path: '/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/emulator',
    ...{ container: 'libvirt:qemu-1-web', unit: 'machine-qemu\\x2d1\\x2dweb.scope' },
  },
  { what: 'BuildKit', path: '/buildkit/rl0zq2x7h5k9m3n8p1s4t6v0w', container: 'buildkit:rl0zq2x7h5k9m3n8p1s4t6v0w' },
  { what: 'Talos', path: '/podruntime/kubelet', container: null },
  { what: 'a service', path: '/system.slice/nginx.service', container: null, unit: 'nginx.service' },
  { what: 'a part of a service', path: '/system.slice/nginx.service/worker', container: null, unit: 'nginx.service' },
  {
    what: "a user's service",
    path: '/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service',
    ...{ container: null, unit: 'editor.service' },
  },
  { what: 'a session', path: '/user.slice/user-0.slice/session-3.scope', container: null, unit: 'session-3.scope' },
  { what: 'a slice', path: '/system.slice', container: null, unit: 'system.slice' },
  { what: 'a unit that is named as a file', path: '/system.slice/_cpu.service', container: null, unit: 'cpu.service' },
  { what: 'a mount', path: '/system.slice/srv-data.mount', container: null, unit: 'srv-data.mount' },
  { what: 'the root', path: '/', container: null },
  { what: 'nothing', path: '', container: null },
  { what: 'not known', path: null, container: null },
  // Paths that only look like the path of a container.
  { what: 'an id that is too short', path: `/docker/${A.slice(1)}`, container: null },
  { what: 'an id that is too long', path: `/docker/${A}0`, container: null },
  { what: 'an id in capitals', path: `/docker/${A.toUpperCase()}`, container: null },
  {
    what: 'a prefix without an id',
    path: '/system.slice/docker-abc.scope',
    ...{ container: null, unit: 'docker-abc.scope' },
  },
  { what: 'a pod outside of Kubernetes', path: `/shop/pod${UID}/x`, container: null },
  { what: 'a newline in a name', path: `/docker/${A}\n`, container: null },
  { what: 'names of Object', path: `/constructor/__proto__-${A}/toString`, container: null },
  { what: 'a parent with the name of a property', path: `/constructor/${A}`, container: `?:${A}` },
  { what: 'a runtime with the name of a property', path: `/x:constructor:${A}`, container: `?:${A}` },
  { what: "a unit's name inside a container", path: `/docker/${A}/sshd.service`, container: `docker:${A}` },
];

describe('the owner of a cgroup', () => {
  test.each(cases)('$what', ({ path, container, unit, pod }) => {
    const owner = ownerOf(path);
    const one = owner.container;
    expect(one && `${one.runtime ?? '?'}:${one.id}`).toBe(container);
    expect(owner.unit).toBe(unit ?? null);
    expect(owner.pod?.uid ?? null).toBe(pod ?? null);
  });
});

test('finds all containers in a path, the innermost first', () => {
  expect(containersIn(`/docker/${B}/docker/${A}`).map(({ id }) => id)).toEqual([A, B]);
  expect(containersIn('/system.slice/x.service')).toEqual([]);
});

test('any path is parsed quickly and without an error', () => {
  const parts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(A, `docker-${A}.scope`, 'kubepods', `pod${UID}`, '..'),
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), (names) => {
      const owner = ownerOf(`/${names.join('/')}`);
      expect(owner.container === null || owner.container.id !== '').toBe(true);
    }),
  );
  // With a regular expression that backtracks exponentially, this would take years.
  ownerOf(`/${'a-'.repeat(100_000)}${A}x/${':'.repeat(100_000)}/${'kubepods-'.repeat(20_000)}pod`);
});
