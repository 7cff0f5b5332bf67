import type { Permissions, SetupStep } from '../../../fleet/setup.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, count, duration, flag, oneOf, several, size, text } from '../../verb/options.ts';
import { serverOf, serverOption, serverSections } from '../../verb/server-option.ts';

const options = {
  server: serverOption,
  replicas: oneOf('N', 'copies of each event, on so many servers of a cluster (default: 1)', ['1', '3', '5'] as const),
  age: duration('TIME', 'how long events are kept (default: 7d)'),
  bytes: size('SIZE', 'how many bytes of events are kept; the oldest are discarded first (default: 10G)'),
  'per-subject': count('N', 'how many events of one node and type are kept (default: 100000)'),
  partitions: count(
    'N',
    'parts into which the nodes are divided, for several readers; cannot change later (default: 16)',
  ),
  cluster: byDefault('default', text('NAME', 'the cluster in the printed permissions')),
  node: several(text('NAME', 'print the permissions of this node')),
  'dry-run': flag('change nothing, only show what would change'),
  shrink: flag('also apply changes after which the server may discard events'),
};

export const verb = defineVerb({
  description: [
    'Makes what a fleet needs on a NATS server with JetStream, or checks it: the stream of events, the buckets of nodes and of incidents, and the consumer of alerts. Options that are not given keep the present values, so running it again changes nothing.',
    'Then it prints which subjects an account must permit to a node, so that a node may publish only under its own name, and to a reader. The server must be nats-server 2.10 or later.',
  ],
  options,
  sections: serverSections(),
  format: 'document',
  examples: [
    { command: 'oomscope fleet setup --server nats://nats.example.org:4222', about: 'Set up a server.' },
    { command: 'oomscope fleet setup --age 14d --dry-run', about: 'Show what keeping events longer would change.' },
    {
      command: 'oomscope fleet setup --cluster prod --node web-1 --node web-2',
      about: 'Also print the permissions of two nodes.',
    },
  ],
  exits: { ok: true, usage: true, unavailable: 'the server cannot be reached, refuses, or lacks JetStream' },
  run,
});

async function run({ given, asked }: Context<typeof options>): Promise<number> {
  const [{ connect }, { nodePermissions, readerPermissions, setUp }, { token }] = await Promise.all([
    import('../../../nats/connect.ts'),
    import('../../../fleet/setup.ts'),
    import('../../../nats/names.ts'),
  ]);
  const connection = await connect(serverOf(given.server), 'oomscope fleet setup');
  const { 'dry-run': dryRun = false, shrink = false, age, bytes, partitions } = given;
  const perSubject = given['per-subject'];
  const values = {
    ...(given.replicas !== undefined && { replicas: Number(given.replicas) }),
    ...(age !== undefined && { ageMs: age }),
    ...(bytes !== undefined && { bytes }),
    ...(perSubject !== undefined && { perSubject }),
    ...(partitions !== undefined && { partitions }),
  };
  const steps = await setUp(connection, values, { dryRun, shrink }).finally(() => connection.close());
  const cluster = token(given.cluster ?? 'default', 'cluster');
  const nodes = given.node.map((name) => ({ name, ...nodePermissions(cluster, token(name, 'node')) }));
  if (asked === 'json') {
    process.stdout.write(`${JSON.stringify({ steps, nodes, reader: readerPermissions })}\n`);
    return Exit.ok;
  }
  const shown = nodes.length > 0 ? nodes : [{ name: 'NODE', ...nodePermissions(cluster, 'NODE') }];
  const lines = [
    ...steps.flatMap(stepLines),
    '',
    ...shown.flatMap((node) => permissionLines(`node ${node.name}`, node)),
    ...permissionLines('reader', readerPermissions),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return Exit.ok;
}

const words: Record<SetupStep['done'], string> = {
  made: 'made',
  changed: 'changed',
  unchanged: 'unchanged',
  missing: 'missing, would be made',
  differs: 'would be changed',
};

function stepLines({ what, done, changes }: SetupStep): string[] {
  const isNew = done === 'made' || done === 'missing';
  return [
    `${what}: ${words[done]}`,
    ...changes.map(({ name, from, to, kind }) => {
      const risk = { plain: '', shrinks: ' (the server may discard events: --shrink)', impossible: ' (not possible)' }[
        kind
      ];
      return `  ${name} ${isNew ? to : `${from} → ${to}`}${risk}`;
    }),
  ];
}

/** As in the section `authorization` of nats-server's configuration. */
function permissionLines(title: string, { publish, subscribe }: Permissions): string[] {
  const list = (subjects: string[]) => subjects.map((subject) => JSON.stringify(subject)).join(', ');
  return [`# ${title}`, 'permissions: {', `  publish: [${list(publish)}]`, `  subscribe: [${list(subscribe)}]`, '}'];
}
