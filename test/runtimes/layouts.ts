/** Cgroup trees like those of kubelet, Docker, Podman and systemd, for tests without a runtime. */
const A = 'a1b2c3d4e5f60718'.repeat(4);
const UID = '7c2b1f0e-91d4-4a53-8e6f-0123456789ab';
const STATIC = '0123456789abcdef0123456789abcdef';
const pod = (uid: string, qos: string) => `kubepods-${qos}-pod${uid.replaceAll('-', '_')}.slice`;

export interface Layout {
  name: string;
  /** Names from the root down; the victim is in the last group. */
  path: readonly string[];
  /** Index of the group whose limit is hit. */
  limited: number;
  expected: {
    /** "runtime:id", with "?" for a part that the path does not contain. */
    container: string | null;
    unit: string | null;
    pod: string | null;
    /** The same for the group whose limit is hit. */
    limit: { container: string | null; pod: string | null };
    limit_of: string;
  };
}

export const layouts: readonly Layout[] = [
  {
    name: 'containerd, systemd driver',
    path: ['kubepods.slice', 'kubepods-burstable.slice', pod(UID, 'burstable'), `cri-containerd-${A}.scope`],
    limited: 3,
    expected: {
      ...{ container: `containerd:${A}`, unit: `cri-containerd-${A}.scope`, pod: UID },
      ...{ limit: { container: `containerd:${A}`, pod: UID }, limit_of: 'container' },
    },
  },
  {
    name: "the pod's limit, systemd driver",
    path: ['kubepods.slice', 'kubepods-besteffort.slice', pod(UID, 'besteffort'), `crio-${A}.scope`],
    limited: 2,
    expected: {
      ...{ container: `cri-o:${A}`, unit: `crio-${A}.scope`, pod: UID },
      ...{ limit: { container: null, pod: UID }, limit_of: 'cgroup_above' },
    },
  },
  {
    name: 'kubelet, cgroupfs driver',
    path: ['kubepods', 'burstable', `pod${UID}`, A],
    limited: 3,
    expected: {
      ...{ container: `?:${A}`, unit: null, pod: UID },
      ...{ limit: { container: `?:${A}`, pod: UID }, limit_of: 'container' },
    },
  },
  {
    name: 'a static pod’s limit, cgroupfs driver',
    path: ['kubepods', 'burstable', `pod${STATIC}`, A],
    limited: 2,
    expected: {
      ...{ container: `?:${A}`, unit: null, pod: STATIC },
      ...{ limit: { container: null, pod: STATIC }, limit_of: 'cgroup_above' },
    },
  },
  {
    name: 'Docker, systemd driver',
    path: ['system.slice', `docker-${A}.scope`],
    limited: 1,
    expected: {
      ...{ container: `docker:${A}`, unit: `docker-${A}.scope`, pod: null },
      ...{ limit: { container: `docker:${A}`, pod: null }, limit_of: 'container' },
    },
  },
  {
    name: 'Docker, cgroupfs driver, a limit inside the container',
    path: ['docker', A, 'worker'],
    limited: 2,
    expected: {
      ...{ container: `docker:${A}`, unit: null, pod: null },
      ...{ limit: { container: `docker:${A}`, pod: null }, limit_of: 'cgroup_inside' },
    },
  },
  {
    name: 'Podman with crun',
    path: ['machine.slice', `libpod-${A}.scope`, 'container'],
    limited: 1,
    expected: {
      ...{ container: `podman:${A}`, unit: `libpod-${A}.scope`, pod: null },
      ...{ limit: { container: `podman:${A}`, pod: null }, limit_of: 'container' },
    },
  },
  {
    name: 'Podman, rootless',
    path: ['user.slice', 'user-1000.slice', 'user@1000.service', 'user.slice', `libpod-${A}.scope`, 'container'],
    limited: 1,
    expected: {
      ...{ container: `podman:${A}`, unit: `libpod-${A}.scope`, pod: null },
      ...{ limit: { container: null, pod: null }, limit_of: 'cgroup_above' },
    },
  },
  {
    name: 'a service',
    path: ['system.slice', 'web.service', 'worker'],
    limited: 1,
    expected: {
      ...{ container: null, unit: 'web.service', pod: null },
      ...{ limit: { container: null, pod: null }, limit_of: '' },
    },
  },
];
