import { expect, test } from 'vitest';
import { eventsOfKill } from '../../src/kubernetes/object-event.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { podKill, podUid } from './kills.ts';

const facts = {
  ...{ namespace: 'shop', pod: 'web', uid: podUid(1), container: 'app', container_kind: 'main' },
  container_memory: { request_bytes: 2 ** 28, limit_bytes: 2 ** 29 },
} as KubernetesFacts;
const noteOf = (kill: ReturnType<typeof podKill>) => eventsOfKill(kill, facts, 'n1')[0]?.note;

test('the note says which process, and whose limit', () => {
  expect(noteOf(podKill())).toContain('Container app was OOM-killed: the kernel killed its main process java');
  expect(noteOf(podKill())).toContain('Scope: container. The container reached its limit of 512 MiB');
  expect(noteOf(podKill({ isMain: false }))).toMatch(
    /^Container app lost its process java \(pid \d+\) to the OOM killer; its main process was not killed\./,
  );
  expect(noteOf(podKill({ limit: 'pod' }))).toContain(
    'Scope: pod. The pod reached its limit of 1 GiB, 1 GiB in use; the container’s own limit'.replace('’', "'"),
  );
  expect(eventsOfKill(podKill({ limit: 'pod' }), { ...facts, pod_limit: 'sum' }, 'n1')[0]?.note).toContain(
    'The pod reached its limit of 1 GiB, the sum of the limits of its containers, 1 GiB in use',
  );
  expect(noteOf(podKill({ limit: 'ancestor' }))).toContain('Scope: ancestor. The cgroup /kubepods above the pod');
  expect(noteOf(podKill({ limit: 'node' }))).toContain('Scope: node. The whole node was out of memory');
});

test('the note has no arguments of the process, and makes hostile names printable', () => {
  const kill = podKill({ comm: 'a\u001b[31mb' });
  kill.victim.cmdline = ['java', '--password=hunter2'];
  expect(noteOf(kill)).not.toContain('hunter2');
  expect(noteOf(kill)).toContain('a\\x1b[31mb');
});

test('the composition is left out when the victim had freed its memory before it was read', () => {
  const kill = podKill();
  const read = { ...(kill.composition as NonNullable<typeof kill.composition>), anon_bytes: 2 ** 29 };
  expect(noteOf({ ...kill, composition: { ...read, usage_bytes: 2 ** 29 } })).toContain('In use: 512 MiB anonymous');
  expect(noteOf({ ...kill, composition: { ...read, usage_bytes: 2 ** 28 } })).not.toContain('In use:');
  // The pages of a dying process count as usage until the kernel has freed them, but no longer as anonymous memory.
  const unmapped = {
    ...read,
    usage_bytes: 2 ** 29,
    anon_bytes: 2 ** 26,
    file_bytes: 0,
    shmem_bytes: 0,
    kernel_bytes: 0,
  };
  expect(noteOf({ ...kill, composition: unmapped })).not.toContain('In use:');
});

test('a container that is killed as a whole is one Event', () => {
  const kill = podKill({ isMain: false });
  const group = kill.cgroups.map((cgroup) => ({ ...cgroup, oom_group: true }));
  const [event, ...more] = eventsOfKill({ ...kill, cgroups: group }, facts, 'n1');
  expect([event?.reason, more]).toEqual(['ContainerOOMKilled', []]);
  expect(event?.note).toMatch(
    /^Container app was OOM-killed: the kernel chose its process java \(pid \d+\) and killed all its/,
  );
  expect(eventsOfKill({ ...kill, cgroups: group, kind: 'group_member' }, facts, 'n1')).toEqual([]);
});

test('a kill in the pid namespace of the node does not claim that the container ended', () => {
  const kill = podKill();
  kill.victim.namespace_pids = [4711];
  expect(eventsOfKill(kill, facts, 'n1')).toMatchObject([
    { reason: 'ProcessOOMKilled', note: expect.stringContaining('whether that was its main process is not known') },
  ]);
});

test('the name of an Event follows from the id of the kill, and is never too long', () => {
  const name = (pod: string, id: string) =>
    eventsOfKill(podKill({ id }), { ...facts, pod }, 'n1')[0]?.metadata.name ?? '';
  expect(name('web', 'a')).toBe(name('web', 'a'));
  expect(name('web', 'a')).not.toBe(name('web', 'b'));
  expect(name(`${'x'.repeat(235)}.${'y'.repeat(17)}`, 'a')).toMatch(/^x{235}\.[0-9a-f]{16}$/);
});
