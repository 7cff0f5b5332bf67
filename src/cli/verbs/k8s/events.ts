import type { KubernetesClient } from '../../../kubernetes/client.ts';
import type { KillQuery, PodKill } from '../../../kubernetes/pod-kills.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { Paint } from '../../../render/paint.ts';
import { suggestion } from '../../../text/did-you-mean.ts';
import { printable } from '../../../text/printable.ts';
import { clusterOptions, connectionTeller, openCluster } from '../../verb/cluster-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { duration, flag, text } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { tell } from '../../verb/tell.ts';

const options = {
  namespace: { ...text('NAME', 'only pods of this namespace, also `-n`; default: all namespaces'), short: 'n' },
  since: duration('TIME', 'only what happened within this time: 30m, 2h; Events live for an hour by default'),
  watch: flag('go on, and show each kill and each end of a container when it happens'),
  ...clusterOptions,
};

export const verb = defineVerb({
  description: [
    'Lists the OOM kills of pods, from the Events that the agent has written, together with the ends of containers that Kubernetes reports as OOMKilled, and judges each of these.',
    'A runtime says OOMKilled when any process of the container was ever killed by the OOM killer. So a child that was killed days ago labels a later end by SIGTERM. Only pods that still exist have a status, with the present and the last end of each container.',
  ],
  options,
  format: 'document',
  json: 'write a JSON array with an object for each row; with --watch, JSON Lines',
  sections: [
    {
      title: 'Judgements',
      rows: [
        ['true', 'the OOM killer ended the container'],
        ['child', 'the OOM killer killed a process in it, and the container ended with that process'],
        ['false', 'something else ended the container; the line below says what'],
        ['missed', 'the OOM killer ended the container, but the status does not say so'],
        ['evicted', 'the kubelet ended the pod, because memory was short on its node'],
        ['unknown', 'the Events that would tell have expired, or no agent ran on the node'],
      ],
    },
  ],
  examples: [
    { command: 'oomscope k8s events', about: 'List all kills and judge all statuses.' },
    { command: 'oomscope k8s events --namespace shop --since 30m', about: 'Look at one namespace.' },
    { command: 'oomscope k8s events --watch --since 1m', about: 'Follow what happens.' },
    {
      command: 'oomscope k8s events --json | jq \'.[] | select(.verdict == "false") | .pod\'',
      about: 'List the pods whose OOMKilled is not true.',
    },
  ],
  exits: {
    ok: true,
    failed: 'there is no such namespace',
    usage: true,
    noInput: 'there is no kubeconfig, and this is not a pod',
    badInput: 'the kubeconfig has a fault',
    unavailable: 'the API server does not answer',
    noPermission: 'pods or Events may not be listed',
  },
  run,
});

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  const client = await openCluster(given);
  try {
    const { namespace = null, since, watch } = given;
    const query = { namespace, sinceMs: since === undefined ? 0 : Date.now() - since };
    const show = (kill: PodKill) => process.stdout.write(`${asText ? render(kill, paint) : JSON.stringify(kill)}\n`);
    if (watch) await follow(client, query, show);
    else {
      const { podKills } = await import('../../../kubernetes/pod-kills.ts');
      const kills = await podKills(client, query);
      if (kills.length === 0) await checkNamespace(client, namespace);
      if (!asText) process.stdout.write(`${JSON.stringify(kills, null, 2)}\n`);
      else if (kills.length === 0)
        tell('There is no OOM kill, no container that ended as OOMKilled, and no pod that was evicted for memory.');
      else kills.forEach(show);
    }
  } finally {
    client.close();
  }
  return Exit.ok;
}

async function follow(client: KubernetesClient, query: KillQuery, show: (kill: PodKill) => void): Promise<void> {
  const { PodKillWatch } = await import('../../../kubernetes/pod-kill-watch.ts');
  const ending = new RunUntil();
  ending.bySignals();
  process.stdout.on('error', ending.now); // the reader has closed stdout
  let rows = 0;
  let hasBegun = false;
  const tellConnection = connectionTeller();
  using watch = new PodKillWatch({
    ...{ client, ...query },
    onRow: (row) => {
      rows++;
      show(row);
    },
    onTrouble: (problem) => {
      if (hasBegun) tellConnection(problem);
    },
  });
  await Promise.race([watch.started, ending.comes()]);
  hasBegun = true;
  if (rows === 0 && !ending.signal.aborted) await checkNamespace(client, query.namespace);
  await ending.comes();
}

/** @throws OomscopeError NO_CONTAINER: there is no such namespace */
async function checkNamespace(client: KubernetesClient, namespace: string | null): Promise<void> {
  if (namespace === null) return;
  const { namespaces } = await import('../../../kubernetes/pod-kills.ts');
  const known = await namespaces(client);
  if (known.length === 0 || known.includes(namespace)) return;
  const meant = suggestion(namespace, known.slice(0, 20).map(printable));
  throw new OomscopeError('NO_CONTAINER', `There is no namespace "${printable(namespace)}". ${meant}`);
}

const COLOURS = {
  true: 'red',
  child: 'yellow',
  false: 'green',
  missed: 'red',
  evicted: 'yellow',
  unknown: 'dim',
} as const;

function render(kill: PodKill, paint: Paint): string {
  const { source, time, namespace, pod, container, reason, count, exit_code, verdict, message } = kill;
  const where = `${namespace}/${pod}${container === null ? '' : ` ${container}`}`;
  const times = count > 1 ? ` ×${count}` : '';
  const code = exit_code === null ? '' : `, exit code ${exit_code}`;
  const judged = verdict === null ? '' : `  ${paint(COLOURS[verdict], verdict)}`;
  const what = source === 'kill' ? `${reason}${times}` : `status ${reason}${code}`;
  const head = `${time?.slice(0, 19).replace('T', ' ') ?? 'unknown time'.padEnd(19)}  ${paint('bold', printable(where))}  ${printable(what)}${judged}`;
  return `${head}\n  ${printable(message)}`;
}
