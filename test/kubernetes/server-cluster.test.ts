/** `k8s top --cluster` of a user with a kubeconfig, through a real kube-apiserver, to the real agent. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { servers } from '../../scripts/kubernetes/servers.ts';
import type { KubeletContainer } from '../../src/kubernetes/kubelet-pods.ts';
import type { PodContainer } from '../../src/kubernetes/node-containers.ts';
import type { WorkloadAdvice } from '../../src/kubernetes/workload-advice.ts';
import { type Ended, ended, oomscope } from '../cli/cli.ts';
import { MIB, oomKillsUnavailable } from '../kernel/memcg.ts';
import { hasApiServer } from './apiserver.ts';

const canUnshare = spawnSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up']).status === 0;

// On a new machine it is compiled first.
beforeAll(() => (hasApiServer ? servers().then(() => {}) : undefined), 1_500_000);

test.skipIf(!hasApiServer || !canUnshare || oomKillsUnavailable())(
  'a user without a way to the nodes sees the pods of all nodes, by the right to get pods/proxy',
  async () => {
    const script = join(import.meta.dirname, 'one-node-cluster.ts');
    const run = await ended(
      spawn('unshare', ['--net', process.execPath, script], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    expect(run.code, run.stderr).toBe(0);
    const said = JSON.parse(run.stdout) as Said &
      Record<'advised' | 'denied' | 'half' | 'json' | 'plain' | 'none', Ended>;
    checkKubelet(said);
    expect(said.denied).toMatchObject({ code: 77, stderr: expect.stringContaining('verbs: ["list"]') });
    expect(said.half.code).toBe(69);
    expect(said.half.stderr).toContain(
      'The role lacks the rule {apiGroups: [""], resources: ["pods/proxy"], verbs: ["get"]}.',
    );
    const containers = JSON.parse(said.json.stdout) as PodContainer[];
    expect(containers).toMatchObject([
      {
        kubernetes: { source: 'api', uid: said.uid, container: 'app', node: 'n1', workload: { name: 'web' } },
        memory: { limit_bytes: 64 * MIB },
      },
    ]);
    expect(containers[0]?.memory.unreclaimable_bytes).toBeGreaterThan(39 * MIB);
    expect(containers[0]?.memory.growth).not.toBeNull();
    expect(said.json.stderr).toMatch(/^oomscope: Node n2: /);
    expect(said.plain.stdout).toContain(' 64 MiB ');
    const [advice] = JSON.parse(said.advised.stdout) as WorkloadAdvice[];
    expect(advice).toMatchObject({ workload: { kind: 'Deployment', name: 'web' }, replicas: 1, heap: null });
    expect(advice?.observed).toMatchObject({ limitBytes: 64 * MIB, kills: 0 });
    expect(advice?.observed.ageSeconds).toBeGreaterThan(0);
    expect(said.none).toMatchObject({
      code: 77,
      stderr: expect.stringMatching(
        /No agent of oomscope runs in the namespace oomscope on the node n9.* The role lacks the rule .*"nodes\/proxy"/,
      ),
    });
  },
  300_000,
);

/** Without any agent, the (fake) kubelet is asked. */
function checkKubelet({ uid, kubelet: { denied, json, plain, asked } }: Said): void {
  expect(denied).toMatchObject({
    code: 77,
    stderr: expect.stringContaining(
      'The role lacks the rule {apiGroups: [""], resources: ["nodes/proxy"], verbs: ["get"]}.',
    ),
  });
  const [container, ...others] = JSON.parse(json.stdout) as KubeletContainer[];
  expect(others).toEqual([]);
  expect(container).toMatchObject({
    kubernetes: { source: 'api', uid, container: 'app', node: 'n1', workload: { name: 'web' } },
    memory: {
      source: 'kubelet',
      measured_at: '2026-11-28T12:00:00Z',
      // The limits are those of the manifest, which the cgroups of this test do not have.
      effective_limit: { of: 'container', limit_bytes: 512 * MIB },
      pressure: { some: { avg10: 12.5 }, full: { avg10: 2.25 } },
    },
  });
  expect(container?.memory.working_set_bytes).toBeGreaterThan(39 * MIB);
  expect(json.stderr).toContain('No agent of oomscope runs in the namespace oomscope');
  expect(json.stderr).toContain('the figures are those of the kubelets');
  expect(plain.stdout).toMatch(
    /^shop\/web-\S+ app +4\d(?:\.\d)? MiB +256 MiB +512 MiB +\d+ % +\S+ MiB +12\.5 % +- +-$/m,
  );
  expect(new Set(asked)).toEqual(new Set(['/stats/summary']));
}

interface Said {
  uid: string;
  kubelet: { denied: Ended; json: Ended; plain: Ended; asked: string[] };
}

test('agents take no sample of more than ten seconds', async () => {
  const { code, stderr } = await oomscope(['k8s', 'recommend', '--cluster', '--sample', '10m']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('expected at most 10s with --cluster') });
});

test('the namespace of agents without --cluster is a mistake', async () => {
  const { code, stderr } = await oomscope(['k8s', 'top', '--agent-namespace', 'monitoring']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('expected --cluster with it') });
});
