import type { Check } from '../../../kubernetes/cluster-check.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { Paint } from '../../../render/paint.ts';
import { printable } from '../../../text/printable.ts';
import { clusterOptions, openCluster } from '../../verb/cluster-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, text } from '../../verb/options.ts';

const options = {
  node: byDefault('NODE_NAME, else the name of this host', text('NAME', 'the name of this node in Kubernetes')),
  ...clusterOptions,
};

export const verb = defineVerb({
  description: [
    'Shows whether the API answers, which of the rights that the agent uses this user has, and how this node is set: version and driver of cgroups, MemoryQoS, thresholds of eviction, whether containers are killed as a whole, swap, and other programs that kill.',
    'Without the API, the part about the node is shown.',
  ],
  options,
  format: 'document',
  json: 'write a JSON array with an object for each check',
  examples: [
    { command: 'oomscope k8s check', about: 'Check the cluster and this node.' },
    {
      command: 'kubectl exec --namespace oomscope daemonset/oomscope -- oomscope k8s check',
      about: 'Check what the agent may do.',
    },
    {
      command: 'oomscope k8s check --json | jq \'.[] | select(.state == "missing")\'',
      about: 'List what is missing.',
    },
  ],
  exits: { ok: true, failed: 'something is missing', usage: true },
  run,
});

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  const { hostname } = await import('node:os');
  const node = given.node ?? process.env.NODE_NAME ?? hostname();
  const checks = [...(await ofCluster(given, node)), ...(await ofNode())];
  process.stdout.write(asText ? render(checks, paint) : `${JSON.stringify(checks, null, 2)}\n`);
  return checks.some(({ state }) => state === 'missing') ? Exit.failed : Exit.ok;
}

async function ofCluster(given: Context<typeof options>['given'], node: string): Promise<Check[]> {
  const { checkCluster } = await import('../../../kubernetes/cluster-check.ts');
  try {
    const client = await openCluster(given);
    try {
      return await checkCluster(client, node);
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof OomscopeError) || given.kubeconfig !== undefined || given.context !== undefined) throw error;
    return [{ name: 'api', state: 'missing', found: error.message, meaning: null }];
  }
}

async function ofNode(): Promise<Check[]> {
  const [{ checkNode, readOfNode }, { memoryHierarchy }, { readIfPresent }, { readdirSync }] = await Promise.all([
    import('../../../kubernetes/node-check.ts'),
    import('../../../linux/memory-hierarchy.ts'),
    import('../../../linux/read-if-present.ts'),
    import('node:fs'),
  ]);
  const list = (path: string) => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  };
  const pids = list('/proc').filter((name) => /^\d+$/.test(name));
  const processes = pids.flatMap((pid) => readIfPresent(`/proc/${pid}/comm`)?.trim() ?? []);
  return checkNode({ read: readOfNode, list, hierarchy: memoryHierarchy(), processes });
}

const COLOURS = { ok: 'green', info: 'dim', unknown: 'dim', warning: 'yellow', missing: 'red' } as const;

function render(checks: readonly Check[], paint: Paint): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.map(({ name, state, found, meaning }) => {
    const first = `${paint(COLOURS[state], state.padEnd(7))}  ${name.padEnd(width)}  ${printable(found)}`;
    return meaning === null ? first : `${first}\n${' '.repeat(width + 11)}${meaning}`;
  });
  return `${lines.join('\n')}\n`;
}
