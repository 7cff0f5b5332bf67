import type { Event } from '../../../model/events.ts';
import type { PressureCountdown } from '../../../model/pressure.ts';
import type { MemoryWatch, MemoryWatchOptions } from '../../../pressure/memory-watch.ts';
import type { reaches as Reaches } from '../../../stream/level-at-least.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { type LiveSource, runLive } from '../../verb/live.ts';
import { tell } from '../../verb/tell.ts';
import type { PressureLive } from './live.ts';
import { type Given, options, watchOptions } from './options.ts';

export const verb = defineVerb({
  description: [
    'Shows on a terminal how short of memory the system and its cgroups are: the share of time in which some task, or all tasks, waited for memory; usage, limits, growth, and when a limit will be reached. In a pipe it writes events as JSON Lines: changes of the level of pressure or usage, tasks that wait long, and how near the kernel is to an OOM kill.',
    'At level critical it suggests which process to end. The verb never ends a process, drops caches or turns off swap.',
  ],
  options,
  format: 'records',
  sections: [
    {
      title: 'Keys of the view',
      rows: [
        ['q', 'quit'],
        ['p u g l n', 'sort by pressure, usage, growth, time left, name'],
        ['arrows', 'scroll'],
      ],
    },
  ],
  examples: [
    { command: 'sudo oomscope pressure', about: 'Watch this machine.' },
    { command: "sudo oomscope pressure --cgroup '/system.slice/*'", about: 'Watch only the services of systemd.' },
    {
      command: 'sudo oomscope pressure --json --level critical | jq .message',
      about: 'Print a sentence when the level becomes critical.',
    },
    {
      command: 'sudo oomscope pressure --cgroup /shop --wait --stall 10ms',
      about: 'Watch a cgroup, waiting for it if it does not exist yet, and report stalls of 10 ms or longer.',
    },
    { command: 'oomscope pressure --psi --window 2s', about: 'Watch without any privilege.' },
    {
      command: 'sudo oomscope pressure --reclaim /batch.slice=512M',
      about: 'At level critical, reclaim memory from a cgroup that is less important.',
    },
  ],
  exits: {
    ok: true,
    failed: 'every cgroup named by --cgroup is gone',
    usage: true,
    unavailable: 'this kernel or installation does not support one of the options',
    noPermission: true,
  },
  run,
});

async function run(context: Context<typeof options>): Promise<number> {
  const { given, asked, paint } = context;
  const watching = watchOptions(given);
  const [{ ContainerResolver }, { Cgroupfs }, { checkReclaim }, { CgroupPresence }, { Screen }, { reaches }] =
    await Promise.all([
      import('../../../containers/container-resolver.ts'),
      import('../../../linux/cgroupfs.ts'),
      import('../../../pressure/reclaim.ts'),
      import('../../verb/cgroup-presence.ts'),
      import('../../verb/screen.ts'),
      import('../../../stream/level-at-least.ts'),
    ]);
  const passes = levelFilter(given, reaches);
  const cgroups = Cgroupfs.find();
  for (const each of given.reclaim) checkReclaim(each, cgroups);
  const presence = new CgroupPresence(given.cgroup, cgroups, given.wait ?? false);
  const live = asked === undefined && Screen.possible() ? await import('./live.ts') : undefined;
  let gone = false;
  const containers = new ContainerResolver();
  void containers.start().catch(() => {}); // without names, events have the ids of containers
  const naming = { ...watching, ownerOf: (path: string) => containers.ownerOf(path) };
  const watched = runLive(context, {
    open: async (ending) => {
      const view = live && new live.PressureLive(paint, ending.now);
      const watch = await openWatch(naming, view);
      view?.attach(watch);
      const onTick = () => {
        const { news, ended } = presence.look((path) => watch.has(path));
        for (const each of news) view ? view.say(each) : tell(each);
        view?.draw();
        if (!ended) return;
        gone = true;
        ending.now();
      };
      return sourceOf(watch, view, onTick, passes, given.psi);
    },
  });
  const code = await watched.finally(() => containers.close());
  if (gone && live) tell(presence.lastWord);
  return gone ? Exit.failed : code;
}

/** Restores the terminal when the monitor cannot be opened. */
async function openWatch(options: MemoryWatchOptions, view: PressureLive | undefined): Promise<MemoryWatch> {
  try {
    const { openMemoryWatch } = await import('../../../pressure/memory-watch.ts');
    return await openMemoryWatch(options);
  } catch (error) {
    view?.[Symbol.dispose]();
    throw error;
  }
}

function sourceOf(
  watch: MemoryWatch,
  view: PressureLive | undefined,
  onTick: () => void,
  passes: (event: Event) => boolean,
  psi: boolean | undefined,
): LiveSource<Event> {
  const why = whyPsi(watch.started.hooks, psi);
  return {
    events$: watch.events$,
    next: (event, live) => {
      if (passes(event)) live.emit(event);
    },
    start: (live) => {
      watch.ticks$.subscribe(onTick);
      if (view) view.say(`${watch.started.message}${why}`);
      else live.started(watch.started, why);
    },
    ...(view && { view: (event) => view.note(event, repeated(event)) }),
    lostBehind: (dropped) => watch.lostBehind(dropped),
    close: () => {
      view?.[Symbol.dispose]();
      watch.close();
    },
  };
}

function levelFilter({ level, stall, profile }: Given, reaches: typeof Reaches): (event: Event) => boolean {
  if (level === undefined) return () => true;
  // The pressure of a subject and its usage have separate levels, so each has a filter of its own.
  const of = { 'pressure.level': reaches(level), 'memory.usage': reaches(level), 'memory.shortage': reaches(level) };
  return (event) => {
    // With the other profiles, the level of usage alone does not say that memory is short.
    if (event.type === 'memory.usage' && profile !== 'fast') return false;
    if (event.type in of && 'level' in event) return of[event.type as keyof typeof of](event);
    if (event.type === 'pressure.countdown') return level !== 'critical' || isNearTheEnd(event);
    return event.type !== 'pressure.stall' || stall !== undefined;
  };
}

/** Is the countdown in the last quarter of the reclaim rounds after which the kernel kills? */
const isNearTheEnd = ({ fruitless_rounds, rounds_until_oom }: PressureCountdown) =>
  fruitless_rounds >= 0.75 * rounds_until_oom;

/**
 * A key for events that come in bursts. Of several events with the same key, the view shows only the last, with their
 * number.
 */
function repeated(event: Event): string | undefined {
  if (event.type === 'pressure.countdown') return `${event.type} ${event.subject.path}`;
  return event.type === 'pressure.stall' ? `${event.type} ${event.task.comm} ${event.task.cgroup_id}` : undefined;
}

function whyPsi(hooks: { hook: string; reason: string }[], asked: boolean | undefined): string {
  const psi = hooks.find(({ hook }) => hook === 'psi');
  return psi && !asked ? ` BPF is not possible here: ${psi.reason}` : '';
}
