import { setTimeout as sleep } from 'node:timers/promises';
import { CgroupTree } from '../../container-watch/cgroup-tree.ts';
import { Containers } from '../../containers/containers.ts';
import { runtimeSockets } from '../../containers/runtime-sockets.ts';
import { Cgroupfs } from '../../linux/cgroupfs.ts';
import { OomscopeError } from '../../model/error.ts';
import { renderTree } from '../../render/tree-view.ts';
import { printable } from '../../text/printable.ts';
import { paintFor } from '../verb/colour.ts';
import { socketOption } from '../verb/container-option.ts';
import { Exit } from '../verb/exit.ts';
import { duration, flag, optionsHelp, parseWords, usage } from '../verb/options.ts';
import { Screen } from '../verb/screen.ts';

const options = {
  all: flag('every cgroup, also those that are small and idle'),
  watch: flag('a live view; q ends it, a shows all or less'),
  interval: duration('TIME', 'how often the live view looks (1s)'),
  socket: socketOption,
  json: flag('the whole tree as one JSON object on stdout'),
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope tree [PATH] [options]

The tree of memory cgroups: who holds the memory, who is near a limit, who waits for memory, where the OOM killer
struck; containers by their names. The first line says where to look; the hottest branches come first. Small ones that
are at ease are folded.

USED is without file pages that the kernel takes back first, FULL its share of the limit, SOME the share of the last
ten seconds in which some task waited for memory, KILLS how often the OOM killer struck there and beneath (+N: while
watched). The first row is the machine.

${optionsHelp(options)}

Examples:
  oomscope tree
  oomscope tree --watch
  oomscope tree /system.slice --all
  oomscope tree --json | jq '.. | objects | select(.full? > 0.9) | .path'

Needs no privilege; containers' names need the right to their runtime's socket. Exit codes: 0 fine, 1 no such cgroup,
2 bad option, 69 no memory controller here.
`;

/** A runtime that is slow must not hold up the view: names come when they come. */
const NAMES_MS = 1000;

export async function run(argv: string[]): Promise<number> {
  const { values: given, words } = parseWords('tree', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const [top = '/', ...others] = words;
  if (others.length > 0) throw usage(`Expected one path, got ${words.length}.`);
  if (!top.startsWith('/'))
    throw usage(`Expected the path of a cgroup, such as /system.slice, got "${printable(top)}".`);
  if (given.watch && given.json) throw usage('--watch and --json: expected one of them, got both.');
  const cgroups = Cgroupfs.find();
  if (!cgroups)
    throw new OomscopeError('NO_CGROUPS', 'No cgroup hierarchy with the memory controller is mounted here.');

  const sockets = given.socket.length > 0 ? given.socket : runtimeSockets().docker;
  const containers = new Containers({ sockets });
  await Promise.race([containers.start(), sleep(NAMES_MS, undefined, { ref: false })]);
  for (const sentence of given.socket.length > 0 ? containers.unreachable.values() : []) {
    process.stderr.write(`oomscope: ${sentence}\n`);
  }
  using tree = new CgroupTree(cgroups, containers);
  const path = top.length > 1 ? top.replace(/\/+$/, '') : top;
  try {
    const root = tree.look(path);
    if (!root) throw new OomscopeError('NO_CONTAINER', `There is no memory cgroup ${printable(top)}.`);
    const paint = paintFor(given['no-color']);
    if (given.watch) {
      if (!Screen.possible()) throw usage('--watch needs a terminal; without one, say --json in a loop.');
      await watch(tree, path, { all: given.all ?? false, intervalMs: given.interval ?? 1000, paint });
    } else if (given.json) process.stdout.write(`${JSON.stringify(root, null, 2)}\n`);
    else {
      const view = { columns: process.stdout.columns ?? 200, all: given.all ?? false, watched: false, paint };
      process.stdout.write(`${renderTree(root, view).join('\n')}\n`);
    }
  } finally {
    containers.close();
  }
  return Exit.ok;
}

interface WatchOptions {
  all: boolean;
  intervalMs: number;
  paint: ReturnType<typeof paintFor>;
}

async function watch(tree: CgroupTree, path: string, options: WatchOptions): Promise<void> {
  const stop = new AbortController();
  let { all } = options;
  let first = 0;
  let root = tree.look(path);
  const screen = new Screen({
    onKey: (key) => {
      if (key === 'q' || key === 'ctrl-c' || key === 'escape') stop.abort();
      if (key === 'a') all = !all;
      if (key === 'down') first++;
      if (key === 'up') first--;
      if (key === 'page-down') first += screen.rows - 4;
      if (key === 'page-up') first -= screen.rows - 4;
      draw();
    },
    onResize: () => draw(),
  });
  const draw = () => {
    const { columns, rows } = screen;
    if (!root) return screen.draw([`The cgroup ${printable(path)} is gone. q ends this.`]);
    const [verdict = '', head = '', ...lines] = renderTree(root, { ...options, columns, all, watched: true });
    const room = rows - 3;
    first = Math.max(0, Math.min(first, lines.length - room));
    const below = lines.length - first - room;
    const place = below > 0 || first > 0 ? `${first} above, ${Math.max(0, below)} below: arrows; ` : '';
    const body = lines.slice(first, first + room);
    const foot = options.paint('dim', `${place}q ends, a shows ${all ? 'less' : 'all'}`);
    screen.draw([verdict, head, ...body, ...Array(Math.max(0, room - body.length)).fill(''), foot]);
  };
  const end = () => stop.abort();
  process.once('SIGTERM', end).once('SIGHUP', end);
  screen.open();
  try {
    while (!stop.signal.aborted) {
      root = tree.look(path);
      draw();
      await sleep(options.intervalMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    screen.close();
  }
}
