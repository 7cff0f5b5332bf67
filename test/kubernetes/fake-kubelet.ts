/**
 * A fake of the kubelet, of which it has only GET /stats/summary: the API server reaches it as it would reach a real one, by the
 * addresses and the port in the status of its Node. The sizes are those of real cgroups; PSI and the form are those of the types
 * of Kubernetes 1.34 (staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go).
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Cgroupfs } from '../../src/linux/cgroupfs.ts';
import type { ApiServer } from './apiserver.ts';

export interface FakePod {
  name: string;
  namespace: string;
  uid: string;
  /** The cgroup of its container `app`. */
  cgroup: string;
}

export const FAKE_PSI = {
  some: { total: 5_000_000, avg10: 12.5, avg60: 3, avg300: 1 },
  full: { total: 1_000_000, avg10: 2.25, avg60: 1, avg300: 0 },
};

/** Creates the Node, and serves its summary. */
export async function fakeKubelet(
  server: ApiServer,
  { node, address, pods, cgroups }: { node: string; address: string; pods: FakePod[]; cgroups: Cgroupfs },
): Promise<{ asked: string[] } & Disposable> {
  const asked: string[] = [];
  const memory = (path: string) => {
    using group = cgroups.open(path);
    const usageBytes = group?.usage() ?? 0;
    const workingSetBytes = usageBytes - (group?.inactiveFile() ?? 0);
    return { time: '2026-11-28T12:00:00Z', usageBytes, workingSetBytes, psi: FAKE_PSI };
  };
  const summary = () => ({
    node: { nodeName: node },
    pods: pods.map(({ cgroup, ...podRef }) => ({
      ...{ podRef, containers: [{ name: 'app', memory: memory(cgroup) }, { name: 'ended' }] },
      memory: memory(cgroup),
    })),
  });
  const keys = { key: readFileSync(server.certificate.replace(/crt$/, 'key')), cert: readFileSync(server.certificate) };
  const listening = createServer(keys, ({ url = '' }, response) => {
    asked.push(url);
    response.statusCode = url === '/stats/summary' ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(summary()));
  });
  await new Promise<void>((resolve) => listening.listen(10250, address, resolve));
  await server.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: node } });
  const status = {
    addresses: [{ type: 'InternalIP', address }],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
  };
  await server.admin.request(`/api/v1/nodes/${node}/status`, { method: 'PATCH', body: { status } });
  return {
    asked,
    [Symbol.dispose]: () => {
      listening.closeAllConnections();
      listening.close();
    },
  };
}
