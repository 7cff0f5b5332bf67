import type { ContainerWatch, ContainerWatchEvent } from '../../../container-watch/container-watch.ts';
import type { Container } from '../../../model/container.ts';
import { globMatch } from '../../../text/glob.ts';
import { otherUsersOption, socketOption } from '../../verb/container-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { type LiveSource, liveOptions, runLive } from '../../verb/live.ts';
import { count } from '../../verb/options.ts';
import type { RunUntil } from '../../verb/run-until.ts';
import { tell } from '../../verb/tell.ts';
import { zoneNote } from '../../verb/zone-note.ts';

const options = {
  count: count('N', 'end after N incidents in containers'),
  socket: socketOption,
  'other-users': otherUsersOption,
  ...liveOptions,
};

export const verb = defineVerb({
  description: [
    "Reports OOM kills in containers. For each affected container it combines the kernel's kills with the events of the runtime. Kills in one container within two seconds of each other are one incident. An incident is reported at once, then every two seconds while it lasts, and when it is over.",
    "Without a runtime's socket, kills are still reported with the container's id, but the end of a container is not. Without the capabilities to trace, only the runtime's own reports of OOMs are shown (verdict \"reported\"), and oomscope says so.",
  ],
  words: { name: 'NAME', about: 'only containers with this name, a pattern with * and ?, or the start of an id' },
  options,
  format: 'records',
  sections: [
    {
      title: 'Verdicts',
      rows: [
        ['OOM', "the OOM killer killed the container's main process, so the container ended"],
        ['OOM in', 'the OOM killer killed another process in the container; the main process still runs'],
        ['OOM in?', 'the OOM killer killed in the container, but it is unknown whether it killed the main process'],
        [
          'STUCK',
          'the container is out of memory and the kernel kills no process in it, for example because of `--oom-kill-disable`; its tasks hang',
        ],
        [
          'SPARED',
          'the runtime reports "oom", but the kernel killed nothing in the container: a cgroup above it ran out of memory',
        ],
        [
          'SIGKILL',
          'the container ended with exit code 137 and was not OOM-killed: the event says which process killed its main process and why, or that the main process returned 137 itself',
        ],
      ],
    },
  ],
  examples: [
    { command: 'sudo oomscope docker watch', about: 'Watch all containers.' },
    {
      command: "sudo oomscope docker watch 'shop-*' --count 1",
      about: 'Wait for the first incident in some containers.',
    },
    {
      command:
        'sudo oomscope docker watch --json | jq -r \'select(.container) |\n  [.container.name, .verdict // "not OOM"] | @tsv\'',
      about: 'Print the name of each container and the verdict.',
    },
    { command: 'sudo oomscope docker watch --alert journald', about: 'Write alerts to the journal as well.' },
  ],
  exits: {
    ok: true,
    usage: true,
    unavailable: 'neither the kernel nor a runtime can be watched',
    noPermission: true,
  },
  run: (context) => runLive(context, { open: (ending) => open(context, ending) }),
});

async function open(
  { given, words: names, asText }: Context<typeof options>,
  ending: RunUntil,
): Promise<LiveSource<ContainerWatchEvent>> {
  const { openContainerWatch } = await import('../../../container-watch/container-watch.ts');
  const watch = await openContainerWatch({
    ...(given.socket.length > 0 && { sockets: given.socket }),
    otherUsers: given['other-users'] ?? false,
  });
  const runtimes = [...new Set(watch.containers.runtimes())];
  sayWhatIsMissing(watch, runtimes);
  let seen = 0;
  return {
    events$: watch.events$,
    next: (event, live) => {
      if (!('container' in event)) {
        if (event.type !== 'tracer.stopped' || !asText) live.show(event);
        return;
      }
      if (!isNamed(event.container, names) || seen === given.count) return;
      if (event.type !== 'container.oom' || event.final) seen++;
      live.emit(event);
      if (seen === given.count) ending.now();
    },
    start: (live) => {
      const watched = [...(watch.started ? ['the kernel'] : []), ...runtimes].join(' and ');
      if (asText) tell(`Watching ${watched}.${zoneNote()} Press Ctrl-C to stop.`);
      else if (watch.started) live.show(watch.started);
    },
    lostBehind: (dropped) => watch.lostBehind(dropped),
    close: () => watch.close(),
  };
}

function sayWhatIsMissing(watch: ContainerWatch, runtimes: readonly string[]): void {
  for (const sentence of watch.containers.unreachable.values()) tell(sentence);
  if (runtimes.length === 0)
    tell(
      'No container runtime answers: kills are reported with the ids of containers, and the end of a container is not reported.',
    );
  if (watch.kernelError)
    tell(
      `The kernel's kills cannot be watched, so only the runtime's own reports are shown: ${watch.kernelError.message}`,
    );
}

/** Whether the user named this container. If no names were given, every container counts as named. */
function isNamed({ name, id }: Container, names: readonly string[]): boolean {
  return names.length === 0 || names.some((glob) => globMatch(glob, name ?? '') || id.startsWith(glob));
}
