/** Serves the memory of the pods on this node at /pods, for `oomscope k8s top --cluster` on another machine. */
import type { Listener } from '../http/listener.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { containerAge } from './container-age.ts';
import { type PodContainer, podContainers } from './node-containers.ts';
import type { KnownPod } from './pod-facts.ts';

/** What GET /pods answers. */
export interface NodePods {
  node: string;
  containers: PodContainer[];
}

export interface PodsEndpointOptions {
  node: string;
  pods: Iterable<KnownPod>;
  /** `token`: a request must send the listener's token. */
  access: 'open' | 'token';
}

/** The longest sample that a request may ask for (ms), and how long an answer serves other requests (ms). */
const MOST_SAMPLE_MS = 10_000;
const FRESH_MS = 500;

export function servePods(listener: Listener, { node, pods, access }: PodsEndpointOptions): void {
  let running: Promise<PodContainer[]> | undefined;
  // However many ask, the cgroups are read for one of them.
  const sample = (sampleMs: number) => {
    running ??= podContainers({ pods: [...pods], sampleMs })
      .then(withAges)
      .finally(() => {
        setTimeout(() => {
          running = undefined;
        }, FRESH_MS).unref();
      });
    return running;
  };
  listener.add({
    path: '/pods',
    access,
    reply: async ({ query }) => {
      const asked = Number(query.get('sample_ms') ?? 0);
      const containers = await sample(Number.isFinite(asked) ? Math.min(Math.max(0, asked), MOST_SAMPLE_MS) : 0);
      const body: NodePods = { node, containers };
      return { type: 'application/json', body: JSON.stringify(body) };
    },
  });
}

function withAges(containers: PodContainer[]): PodContainer[] {
  const cgroups = Cgroupfs.find();
  return containers.map((each) => ({
    ...each,
    age_seconds: cgroups ? containerAge(cgroups, each.memory.cgroup) : null,
  }));
}
