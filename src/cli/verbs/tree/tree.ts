import type { CgroupTree } from '../../../container-watch/cgroup-tree.ts';
import type { ContainerResolver } from '../../../containers/container-resolver.ts';
import { OomscopeError } from '../../../model/error.ts';
import { printable } from '../../../text/printable.ts';
import { type Asked, otherUsersOption, socketOption } from '../../verb/container-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, duration, flag, text, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  cgroup: byDefault('/', text('PATH', 'show the tree from this cgroup down')),
  all: flag('show every cgroup, also the small and idle ones'),
  watch: flag('show a live view'),
  interval: byDefault('1s', duration('TIME', 'interval of the live view')),
  socket: socketOption,
  'other-users': otherUsersOption,
};

export const verb = defineVerb({
  description: [
    'Shows the tree of memory cgroups: which cgroups use the memory, are near a limit, wait for memory, or had OOM kills. Containers are shown by their names. The first line says where to look; the branches that are most short of memory come first. Small cgroups that are not short of memory are folded into one line.',
    'The verb needs no privilege, but for names of containers it needs access to the socket of their runtime.',
  ],
  options,
  format: 'document',
  json: 'write the whole tree as one JSON object',
  sections: [
    {
      title: 'Columns',
      rows: [
        ['USED', 'memory in use, without the file pages that the kernel takes back first'],
        ['FULL', "USED as a share of the cgroup's limit"],
        ['SOME', 'share of the last ten seconds in which at least one task waited for memory'],
        ['KILLS', 'OOM kills in the cgroup and below it; +N means N kills since the live view started'],
      ],
    },
    { text: 'The first row is the machine; its FULL is the share of its memory that is not available.' },
    {
      title: 'Keys of the live view',
      rows: [
        ['a', 'show all cgroups, or fold again'],
        ['arrows', 'scroll'],
        ['q', 'quit'],
      ],
    },
  ],
  examples: [
    { command: 'oomscope tree', about: 'Show the tree.' },
    { command: 'oomscope tree --watch', about: 'Show the tree as a live view.' },
    { command: 'oomscope tree --cgroup /system.slice --all', about: 'Show every service of systemd.' },
    {
      command: "oomscope tree --json |\n  jq '.. | objects | select(.full? > 0.9) | .path'",
      about: 'List the cgroups that use more than 90 % of their limit.',
    },
  ],
  exits: { ok: true, failed: 'there is no such cgroup', usage: true, unavailable: 'no memory controller is mounted' },
  run,
});

/** A slow runtime delays the tree by at most this time. Names that arrive later are in the next sample. */
const NAMES_MS = 1000;

async function run(context: Context<typeof options>): Promise<number> {
  const { given } = context;
  const path = pathOf(given.cgroup ?? '/');
  if (given.watch && context.asked === 'json') throw usage('--watch and --json: expected one of them, got both.');
  const [{ Cgroupfs }, { CgroupTree }, { ContainerResolver }] = await Promise.all([
    import('../../../linux/cgroupfs.ts'),
    import('../../../container-watch/cgroup-tree.ts'),
    import('../../../containers/container-resolver.ts'),
  ]);
  const cgroups = Cgroupfs.find();
  if (!cgroups)
    throw new OomscopeError('NO_CGROUPS', 'No cgroup hierarchy with the memory controller is mounted here.');
  const containers = new ContainerResolver(await runtimesFor(given));
  await namesFor(containers, given.socket.length > 0);
  using tree = new CgroupTree(cgroups, containers);
  try {
    return await show(tree, path, context);
  } finally {
    containers.close();
  }
}

function pathOf(given: string): string {
  if (!given.startsWith('/')) {
    throw usage(`--cgroup: expected the path of a cgroup, such as /system.slice, got "${printable(given)}".`);
  }
  return given.length > 1 ? given.replace(/\/+$/, '') : given;
}

async function runtimesFor({ socket, 'other-users': otherUsers = false }: Asked) {
  if (socket.length > 0) return { sockets: socket, otherUsers };
  const { runtimeSockets } = await import('../../../containers/runtime-sockets.ts');
  return { sockets: runtimeSockets({ otherUsers }).docker, otherUsers };
}

async function namesFor(containers: ContainerResolver, asked: boolean): Promise<void> {
  const { setTimeout: sleep } = await import('node:timers/promises');
  await Promise.race([containers.start(), sleep(NAMES_MS, undefined, { ref: false })]);
  for (const sentence of asked ? containers.unreachable.values() : []) tell(sentence);
}

async function show(
  tree: CgroupTree,
  path: string,
  { given, asText, paint }: Context<typeof options>,
): Promise<number> {
  const root = tree.sample(path);
  if (!root) throw new OomscopeError('NO_CONTAINER', `There is no memory cgroup ${printable(path)}.`);
  const all = given.all ?? false;
  if (given.watch) {
    const { watchTree } = await import('./watch.ts');
    await watchTree(tree, path, { all, intervalMs: given.interval ?? 1000, paint });
  } else if (asText) {
    const { renderTree } = await import('../../../render/tree-view.ts');
    const view = { columns: terminalColumns(process.stdout, 200), all, watched: false, paint };
    process.stdout.write(`${renderTree(root, view).join('\n')}\n`);
  } else process.stdout.write(`${JSON.stringify(root, null, 2)}\n`);
  return Exit.ok;
}
