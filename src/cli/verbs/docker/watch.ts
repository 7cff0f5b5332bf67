import type { ContainerWatch, ContainerWatchEvent } from '../../../container-watch/container-watch.ts';
import type { Container } from '../../../model/container.ts';
import { globMatch } from '../../../text/glob.ts';
import { socketOption } from '../../verb/container-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { type LiveSource, liveOptions, runLive } from '../../verb/live.ts';
import { count } from '../../verb/options.ts';
import type { RunUntil } from '../../verb/run-until.ts';
import { tell } from '../../verb/tell.ts';

const options = { count: count('N', 'end after N incidents in containers'), socket: socketOption, ...liveOptions };

export const verb = defineVerb({
  description: [
    "Reports, for each container that was hit, what really happened: it joins the kernel's kills with the events of the runtime. Kills within two seconds of each other are one incident: it is reported at once, every two seconds while it goes on, and when it is over.",
    "Without a runtime's socket kills are still reported, with the container's id, but not how a container ended. Without the capabilities to trace, only the runtime's word is left (verdict \"reported\"), and oomscope says so.",
  ],
  words: { name: 'NAME', about: 'only containers with this name, a pattern with * and ?, or the start of an id' },
  options,
  format: 'records',
  sections: [
    {
      title: 'Verdicts',
      rows: [
        ['OOM', "the OOM killer killed the container's main process, and so the container"],
        ['OOM in', 'the OOM killer killed another process in the container; the main process lives'],
        ['OOM in?', 'the same, but it is unknown whether the main process was killed'],
        [
          'SPARED',
          'the runtime reports "oom", but the kernel killed nothing in the container: a cgroup above it ran out',
        ],
        [
          'SIGKILL',
          'it ended with exit code 137 and was not OOM-killed: by `docker kill`, by `docker stop` after its timeout, or by a SIGKILL from elsewhere',
        ],
      ],
    },
  ],
  examples: [
    { command: 'sudo oomscope docker watch', about: 'Watch all containers.' },
    { command: "sudo oomscope docker watch 'shop-*' --count 1", about: 'Wait for the first event of some containers.' },
    {
      command:
        'sudo oomscope docker watch --json | jq -r \'select(.container) |\n  [.container.name, .verdict // "not OOM"] | @tsv\'',
      about: 'Print the name and the verdict of each.',
    },
    { command: 'sudo oomscope docker watch --alert journald', about: 'Write alerts to the journal as well.' },
  ],
  exits: {
    ok: true,
    usage: true,
    unavailable: 'neither the kernel nor a runtime can be watched',
    noPermission: true,
  },
  run: (context) => runLive(context, (ending) => open(context, ending)),
});

async function open(
  { given, words: names, asText }: Context<typeof options>,
  ending: RunUntil,
): Promise<LiveSource<ContainerWatchEvent>> {
  const { openContainerWatch } = await import('../../../container-watch/container-watch.ts');
  const watch = await openContainerWatch(given.socket.length > 0 ? { sockets: given.socket } : {});
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
      if (asText) tell(`Watching ${watched}. Press Ctrl-C to stop.`);
      else if (watch.started) live.show(watch.started);
    },
    lostBehind: (dropped) => watch.lostBehind(dropped),
    close: () => watch.close(),
  };
}

function sayWhatIsMissing(watch: ContainerWatch, runtimes: readonly string[]): void {
  for (const sentence of watch.containers.unreachable.values()) tell(sentence);
  if (runtimes.length === 0)
    tell('No container runtime answers: kills come with the ids of containers, and not with how they ended.');
  if (watch.kernelError)
    tell(`The kernel's kills cannot be watched, only the runtime's word is left: ${watch.kernelError.message}`);
}

/** Without names: every container. */
function isNamed({ name, id }: Container, names: readonly string[]): boolean {
  return names.length === 0 || names.some((glob) => globMatch(glob, name ?? '') || id.startsWith(glob));
}
