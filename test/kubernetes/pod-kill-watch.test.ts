/** `k8s events --watch` against a small HTTP server, which replaces a status sooner than a test can make a real kubelet do it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findAccess } from '../../src/kubernetes/access.ts';
import { KubernetesClient } from '../../src/kubernetes/client.ts';
import { PodKillWatch } from '../../src/kubernetes/pod-kill-watch.ts';
import type { PodKill } from '../../src/kubernetes/pod-kills.ts';

const pod = (terminated: object) => ({
  metadata: { namespace: 'shop', name: 'web', uid: 'u' },
  spec: { nodeName: 'n1' },
  status: { containerStatuses: [{ name: 'app', lastState: { terminated } }] },
});
const event = {
  metadata: { name: 'e' },
  ...{ reason: 'ProcessOOMKilled', eventTime: '2026-11-29T00:00:00.000000Z', note: 'Container app lost a process.' },
  regarding: { namespace: 'shop', name: 'web', uid: 'u', fieldPath: 'spec.containers{app}' },
};
/** What a kubelet writes when a pod is deleted: the true end of the container, and soon after, that it does not know it any more. */
const forgotten = [
  pod({ reason: 'OOMKilled', exitCode: 143, startedAt: '2026-11-28T23:00:00Z', finishedAt: '2026-11-29T00:01:00Z' }),
  pod({ reason: 'ContainerStatusUnknown', exitCode: 137, startedAt: null, finishedAt: null }),
];
/** The kubelet corrects the reason of an end, whose other fields stay. */
const corrected = ['Error', 'OOMKilled'].map((reason) =>
  pod({ reason, exitCode: 137, startedAt: '2026-11-28T23:00:00Z', finishedAt: '2026-11-29T00:00:00Z' }),
);

test.each([
  {
    ...{ title: 'although the kubelet soon replaces its status by ContainerStatusUnknown', changes: forgotten },
    ...{ reasons: ['ProcessOOMKilled', 'OOMKilled'], says: 'A SIGTERM ended it (exit code 143)' },
  },
  {
    ...{ title: 'by the status in which the kubelet has corrected its reason', changes: corrected },
    ...{ reasons: ['ProcessOOMKilled', 'OOMKilled'], says: 'Container app lost a process.' },
  },
])('the end of a container is judged once, $title', async ({ changes, reasons, says }) => {
  const server = createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://api');
    if (searchParams.has('watch')) {
      const isPods = pathname.endsWith('/pods');
      for (const object of isPods ? changes : []) response.write(`${JSON.stringify({ type: 'MODIFIED', object })}\n`);
      return;
    }
    const isOurs = searchParams.get('fieldSelector')?.startsWith('reportingController');
    response.end(JSON.stringify({ metadata: { resourceVersion: '5' }, items: isOurs ? [event] : [] }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-kill-watch-'));
  try {
    const kubeconfig = join(directory, 'kubeconfig');
    const cluster = { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    const config = {
      ...{ clusters: [{ name: 'k', cluster }], users: [{ name: 'u', user: { token: 't' } }] },
      ...{ contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }], 'current-context': 'c' },
    };
    writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    const client = new KubernetesClient(findAccess({ kubeconfig, env: {} }), { env: {} });
    const rows: PodKill[] = [];
    const query = { namespace: null, sinceMs: 0, settleMs: 50 };
    using watch = new PodKillWatch({ client, ...query, onRow: (row) => rows.push(row) });
    await watch.started;
    await expect.poll(() => rows.map(({ reason }) => reason), { timeout: 5000 }).toEqual(reasons);
    expect(rows[1]?.message).toContain(says);
    client.close();
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  }
});
