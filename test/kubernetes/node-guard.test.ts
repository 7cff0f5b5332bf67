/** Which process of a node the guard would kill: its order against the kubelet's, and a real guard on real cgroups. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { firstValueFrom, takeWhile, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ownerOf } from '../../src/containers/container-path.ts';
import { openGuard } from '../../src/guard/open-guard.ts';
import { rankCandidates } from '../../src/guard/rules/rank.ts';
import { NodeGuard } from '../../src/kubernetes/node-guard.ts';
import { PodDirectory } from '../../src/kubernetes/pod-directory.ts';
import { readPod } from '../../src/kubernetes/pod-facts.ts';
import { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import type { Event } from '../../src/model/events.ts';
import type { GuardPlan, GuardSkipped } from '../../src/model/guard.ts';
import type { SampledProcess } from '../../src/model/sample.ts';
import { detector, GIB, process_, rule, sample, self, step, system } from '../guard/rules/world.ts';
import {
  createMemoryGroup,
  type MemoryGroup,
  oomKillsUnavailable,
  removeMemoryGroups,
  startHog,
} from '../kernel/memcg.ts';
import { containerId, podUid } from './kills.ts';

const MIB = 2 ** 20;

interface Wanted {
  request?: string;
  limit?: string;
  priority?: number;
  priorityClass?: string;
  annotations?: Record<string, string>;
  /** The status names no container yet. */
  isNew?: boolean;
}

/** A pod as the API describes it, with one container. */
const pod = (number: number, { request, limit, priority = 0, priorityClass, annotations, isNew }: Wanted = {}) =>
  readPod({
    metadata: { name: `p${number}`, namespace: 'shop', uid: podUid(number), annotations },
    spec: {
      ...{ priority, priorityClassName: priorityClass },
      containers: [{ name: 'app', resources: { requests: { memory: request }, limits: { memory: limit } } }],
    },
    status: {
      containerStatuses: isNew ? [] : [{ name: 'app', containerID: `containerd://${containerId(number)}` }],
    },
  });

function directoryOf(...pods: ReturnType<typeof pod>[]): PodDirectory {
  const directory = new PodDirectory();
  for (const each of pods) if (each) directory.set(each);
  return directory;
}

const pathOf = (number: number, container = number) =>
  `/kubepods/burstable/pod${podUid(number)}/${containerId(container)}`;

/** A process as the sampler sees it: its owner comes from the path of its cgroup. */
const inCgroup = (pid: number, cgroup: string, given: Partial<SampledProcess> = {}): SampledProcess =>
  process_(pid, { cgroup, ...ownerOf(cgroup), ...given });

describe('the order', () => {
  let mount = '';
  beforeAll(() => {
    mount = mkdtempSync(join(tmpdir(), 'oomscope-node-'));
  });
  afterAll(() => rmSync(mount, { recursive: true }));

  /** The usage of pods (MiB), as the files of cgroup v2 show it. */
  function cgroups(usage: Record<number, [usedMib: number, inactiveMib?: number]>): Cgroupfs {
    for (const [number, [used, inactive = 0]] of Object.entries(usage)) {
      const directory = join(mount, dirname(pathOf(Number(number))));
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'memory.current'), `${used * MIB}\n`);
      writeFileSync(join(directory, 'memory.stat'), `anon 0\ninactive_file ${inactive * MIB}\n`);
    }
    return new Cgroupfs({ version: 2, mount } as ConstructorParameters<typeof Cgroupfs>[0]);
  }

  function ranked(processes: SampledProcess[], pods: PodDirectory, files: Cgroupfs) {
    const supervisor = new NodeGuard({ pods, cgroups: files });
    const world = { self, protect: [], cgroups: new Map(), stuck: new Set<string>(), supervisor };
    return rankCandidates(rule(), sample(0, { processes }), undefined, world);
  }

  const order = (...given: Parameters<typeof ranked>) => ranked(...given).candidates.map(({ target }) => target.pid);

  test('is that of the kubelet: above the request first, then the lower priority, then the larger excess', () => {
    const pods = directoryOf(
      pod(1, { request: '100Mi', priority: 0 }), // 50 MiB above
      pod(2, { request: '300Mi', priority: 0 }), // 100 MiB above
      pod(3, { request: '10Mi', priority: -10 }), // 5 MiB above, and of low priority
      pod(4, { request: '900Mi', priority: -100 }), // below
      pod(5, { request: '900Mi', priority: 0 }), // below
      pod(6), // besteffort: all of it is above
    );
    const files = cgroups({ 1: [150], 2: [400], 3: [15], 4: [500], 5: [800], 6: [20] });
    const processes = [1, 2, 3, 4, 5, 6].map((number) => inCgroup(1000 + number, pathOf(number)));
    expect(order(processes, pods, files)).toEqual([1003, 1002, 1001, 1006, 1004, 1005]);
  });

  test('does not count inactive pages of files as usage, and uses the rule’s score within a pod', () => {
    const pods = directoryOf(pod(1, { request: '100Mi' }), pod(2, { request: '100Mi' }));
    const files = cgroups({ 1: [500, 450], 2: [101] });
    const [small, large] = [{ rss_bytes: 20 * MIB }, { rss_bytes: 60 * MIB }];
    const within = [inCgroup(1002, pathOf(2), small), inCgroup(1003, pathOf(2), large)];
    const processes = [inCgroup(1001, pathOf(1), large), ...within];
    expect(order(processes, pods, files)).toEqual([1003, 1002, 1001]);
  });

  test('has processes of no pod between pods above and pods within their requests', () => {
    const pods = directoryOf(pod(1, { request: '1Mi', priority: 1000 }), pod(2, { request: '900Mi', priority: -1000 }));
    const files = cgroups({ 1: [2], 2: [800] });
    const host = inCgroup(1003, '/user.slice/session-1.scope', { comm: 'batch' });
    const processes = [inCgroup(1002, pathOf(2)), host, inCgroup(1001, pathOf(1))];
    const { candidates } = ranked(processes, pods, files);
    expect(candidates.map(({ target }) => target.pid)).toEqual([1001, 1003, 1002]);
    expect(candidates.map(({ adjusted_by }) => adjusted_by)).toEqual([
      ['pod shop/p1: 1 MiB above its request of 1 MiB, priority 1000'],
      [],
      ['pod shop/p2: 100 MiB below its request of 900 MiB, priority -1000'],
    ]);
  });

  const STATIC = 'c'.repeat(32);
  test.each<[string, SampledProcess, RegExp]>([
    ['the kubelet', inCgroup(1001, '/system.slice/kubelet.service', { comm: 'kubelet' }), /runs the pods/],
    ['a child of the runtime', inCgroup(1001, '/system.slice/containerd.service', { comm: 'sh' }), /runs the pods/],
    ['a shim', inCgroup(1001, '/system.slice/other.service', { comm: 'containerd-shim' }), /runs the pods/],
    ['a shim in the pod', inCgroup(1001, dirname(pathOf(1)), { comm: 'anything' }), /container runtime/],
    [
      'conmon in the pod',
      inCgroup(1001, `${dirname(pathOf(1))}/crio-conmon-${containerId(1)}.scope`),
      /container runtime/,
    ],
    ['a static pod', inCgroup(1001, `/kubepods/burstable/pod${STATIC}/${containerId(9)}`), /static pod/],
    ['a mirror of a static pod', inCgroup(1001, pathOf(2)), /static pod shop\/p2/],
    ['a pod of a critical class', inCgroup(1001, pathOf(3)), /critical pod shop\/p3/],
    ['a pod of critical priority', inCgroup(1001, pathOf(4)), /critical pod shop\/p4/],
    ['the sandbox', inCgroup(1001, pathOf(1, 77)), /sandbox of the pod shop\/p1/],
    ['a container that the API does not name yet', inCgroup(1001, pathOf(5)), /unknown container/],
    ['a pod that the API has not told of', inCgroup(1001, pathOf(99)), /its pod is not known/],
    ['a pod whose usage cannot be read', inCgroup(1001, pathOf(8)), /usage of its pod shop\/p8 is not known/],
  ])('leaves alone %s', (_, process, why) => {
    const pods = directoryOf(
      pod(1),
      pod(2, { annotations: { 'kubernetes.io/config.mirror': podUid(2) } }),
      pod(3, { priorityClass: 'system-cluster-critical' }),
      pod(4, { priority: 2_000_001_000 }),
      pod(5, { isNew: true }),
      pod(8),
    );
    const other = inCgroup(1002, '/user.slice/a.scope', { rss_bytes: GIB });
    const { candidates, rejected } = ranked(
      [process, other],
      pods,
      cgroups({ 1: [9], 2: [9], 3: [9], 4: [9], 5: [9] }),
    );
    expect(candidates.map(({ target }) => target.pid)).toEqual([1002]);
    expect(rejected).toMatchObject([{ pid: 1001, reason: 'supervised', detail: expect.stringMatching(why) }]);
  });

  test('does not spare a process in a container that calls itself kubelet', () => {
    const pods = directoryOf(pod(1));
    expect(order([inCgroup(1001, pathOf(1), { comm: 'kubelet' })], pods, cgroups({ 1: [9] }))).toEqual([1001]);
  });
});

describe('where the guard and the kubelet meet', () => {
  const levels = sample(0, {
    system: system({ total_bytes: 16 * GIB, available_bytes: 6 * GIB, anon_bytes: 2 * GIB }),
  });
  const notes = (kubelet: string | undefined, percent: number) =>
    new NodeGuard({ pods: directoryOf(), cgroups: undefined, read: () => kubelet }).notes(
      [rule({ name: 'low', when: [detector({ name: 'available' }, '<=', percent)] })],
      levels,
    )[1];
  const configured = (value: string) => `kind: KubeletConfiguration\nevictionHard: {memory.available: "${value}"}\n`;

  test('says which of them acts first', () => {
    expect(notes(configured('500Mi'), 10)).toMatch(
      /^rule "low" acts below about 819\.2 MiB of available memory, the kubelet evicts below 500 MiB: the guard acts first,/,
    );
    expect(notes(configured('10%'), 10)).toContain('the kubelet evicts below 1.6 GiB: the kubelet acts first,');
  });
  test('says that the threshold is the default where no configuration was found', () =>
    expect(notes(undefined, 10)).toContain('below 100 MiB, its default: no configuration of it was found'));
  test('says when the threshold is not a size', () =>
    expect(notes(configured('lots'), 10)).toContain('the threshold of the kubelet, lots, is not a size'));
  test('says nothing for a rule about cgroups', () => {
    const guard = new NodeGuard({ pods: directoryOf(), cgroups: undefined, read: () => undefined });
    expect(guard.notes([rule({ on: [{ kind: 'limited' }] })], levels)).toHaveLength(1);
  });
});

describe.skipIf(oomKillsUnavailable())('a real guard, in cgroups named as the kubelet names them', () => {
  afterEach(removeMemoryGroups);

  test('kills pods above their requests in the order of the kubelet, and nothing that must stay', async () => {
    const group = createMemoryGroup({ limitBytes: 512 * MIB, name: `kubepods-oomscope-${process.pid}-guard` });
    const hold = async (parent: MemoryGroup, size: string) => {
      const hog = startHog(parent, ['--hold', size]);
      await hog.ready;
      return hog;
    };
    const podGroup = (uid: string) => group.child(`pod${uid}`);
    const own = (number: number) => podGroup(podUid(number)).child(containerId(number));
    const [excess, low, within] = [await hold(own(1), '40M'), await hold(own(2), '30M'), await hold(own(3), '60M')];
    const spared = [
      await hold(own(4), '50M'),
      await hold(own(5), '20M'),
      await hold(podGroup('d'.repeat(32)).child(containerId(6)), '20M'),
      await hold(podGroup(podUid(7)).child(containerId(77)), '20M'),
    ];
    const pods = directoryOf(
      pod(1, { request: '10Mi' }),
      pod(2, { request: '10Mi', priority: -5 }),
      pod(3, { request: '200Mi' }),
      pod(4, { priorityClass: 'system-node-critical' }),
      pod(7),
    );
    const state = mkdtempSync(join(tmpdir(), 'oomscope-node-guard-'));
    const full = rule({
      on: [{ kind: 'cgroup', glob: group.cgroupPath }],
      when: [detector({ name: 'usage' }, '>', MIB, 'bytes')],
      steps: [step('kill')],
    });
    const opened = await openGuard(
      {
        ...{ mode: 'enforce', policy: { rules: [full], killsPerMinute: 10, protect: [] }, raiseScore: false },
        ...{ arm: false, lockMemory: false, realtimePriority: 0, stateFile: join(state, 'guard'), fastestMs: 10 },
      },
      { supervisor: new NodeGuard({ pods }) },
    );
    try {
      expect(opened.notes.join('\n')).toContain('on this node of Kubernetes');
      const until = (event: Event) => !(event.type === 'guard.skipped' && event.reason === 'no_candidate');
      const told = firstValueFrom(opened.guard.events$.pipe(takeWhile(until, true), toArray()));
      opened.guard.start();
      const events = await told;
      const plans = events.filter((event): event is GuardPlan => event.type === 'guard.plan');
      expect(plans.map(({ victim }) => victim.pid)).toEqual([low.pid, excess.pid, within.pid]);
      for (const hog of [low, excess, within]) expect(await hog.ended).toMatchObject({ signal: 'SIGKILL' });
      const last = events.at(-1) as GuardSkipped;
      expect(last.rejected_by_reason.supervised).toBe(4);
      const supervised = last.rejected.filter(({ reason }) => reason === 'supervised');
      expect(new Set(supervised.map(({ pid }) => pid))).toEqual(new Set(spared.map(({ pid }) => pid)));
      for (const { pid } of spared) expect(process.kill(pid, 0)).toBe(true);
    } finally {
      await opened.close();
      rmSync(state, { recursive: true });
    }
  }, 60_000);
});
