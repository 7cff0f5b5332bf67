import { Containers } from '../enrich/containers.ts';
import type { ContainerKilled, ContainerOom } from '../model/container.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event } from '../model/events.ts';
import { Output } from '../sinks/output.ts';
import { renderEvent } from '../sinks/terminal.ts';
import { ContainerEnds } from '../sources/container-ends.ts';
import { Envelopes } from '../sources/envelope.ts';
import { noRuntime, openRuntimes, runtimeSockets } from '../sources/runtime-sockets.ts';
import { openTracer, type Tracer } from '../sources/tracer.ts';
import { globMatch } from '../stream/glob.ts';
import { paintFor } from './colour.ts';
import { Exit } from './exit.ts';
import { count, duration, flag, optionsHelp, parseWords, text, usage } from './options.ts';
import { settle } from './settle.ts';

const options = {
  json: flag('JSON Lines on stdout (the default when it is not a terminal)'),
  text: flag('text on stdout (the default on a terminal)'),
  socket: { ...text('PATH', 'ask only this socket; may be repeated'), multiple: true as const },
  duration: duration('TIME', 'stop after this time: 30s, 5m, 2h'),
  count: count('N', 'stop after N events'),
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope docker watch [NAME...] [options]

Says of each container that is hit what it really was. The kernel's kills and the runtime's events are joined:

  OOM      the OOM killer killed the container's main process, and so the container
  OOM in   it killed another process in it, and left the main process alive
  SPARED   the runtime says "oom", but the kernel killed nothing in it: a cgroup above it ran out
  SIGKILL  it ended with 137 and was not OOM-killed: \`docker kill\`, \`docker stop\` out of patience, or somebody else

NAME: only containers with these names; * and ? are wildcards.

${optionsHelp(options)}

Examples:
  oomscope docker watch
  oomscope docker watch 'shop-*' --json | jq -r '[.container.name, .verdict // "not OOM"] | @tsv'

Without a runtime's socket kills are still told, with the container's id, but not how a container ended. Without the
capabilities to trace only the runtime's word is left (verdict "reported"), and it is said so. Exit codes: 0 ended as
asked, 2 bad option, 69 neither kernel nor runtime can be watched, 77 not permitted.
`;

export async function run(argv: string[]): Promise<number> {
  const { values: given, words: names } = parseWords('docker watch', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.json && given.text) throw usage('--json and --text: expected one of them, got both.');
  const asText = given.text ?? (given.json ? false : process.stdout.isTTY === true);
  const paint = paintFor(given['no-color']);
  const say = (sentence: string) => process.stderr.write(`oomscope: ${sentence}\n`);

  const stop = new AbortController();
  const end = () => stop.abort();
  const format = (event: Event) => (asText ? renderEvent(event, paint) : JSON.stringify(event));
  const output = new Output({ onClosed: end, onDropped: (dropped) => format(lostBehind(dropped)) });
  let seen = 0;
  const emit = (event: ContainerOom | ContainerKilled) => {
    const { name, id } = event.container;
    const wanted = names.length === 0 || names.some((glob) => globMatch(glob, name ?? '') || id.startsWith(glob));
    if (!wanted || (given.count !== undefined && seen >= given.count)) return;
    output.write(format(event), event.type);
    if (++seen === given.count) end();
  };

  const sockets = given.socket.length > 0 ? given.socket : Object.values(runtimeSockets()).flat();
  const containers = new Containers({ sockets, onEvent: (event) => ends.onRuntime(event) });
  const envelopes = new Envelopes();
  let tracer: Tracer | undefined;
  const ends = new ContainerEnds({
    ...{ envelopes, emit },
    kernelWatched: () => tracer !== undefined && Object.keys(tracer.lostSoFar()).length === 0,
    runtimeWatched: ({ runtime }) => containers.runtimes().some((one) => runtime === null || one === runtime),
  });
  const lostBehind = (dropped: Record<string, number>) => {
    if (tracer) return tracer.lostBehind(dropped);
    throw new Error('lines are dropped only where they come in a storm, of kernel events');
  };

  await containers.start();
  const heard = containers.runtimes().length > 0;
  try {
    tracer = await openTracer({ containers });
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    if (!heard) {
      containers.close();
      throw noRuntime(await openRuntimes(sockets), `And the kernel cannot be watched: ${error.message}`);
    }
    say(`the kernel's kills cannot be watched, only the runtime's word is left: ${error.message}`);
  }
  for (const sentence of containers.unreachable.values()) say(sentence);
  if (!heard) say('no container runtime answers: kills are told with the ids of containers, and not how they ended.');
  process.once('SIGINT', end).once('SIGTERM', end);
  tracer?.events$.subscribe({
    next: (event) => {
      if (event.type === 'oom.kill') ends.onKill(event);
      else if (event.type === 'tracer.lost' || (event.type === 'tracer.stopped' && !asText))
        output.write(format(event), event.type);
    },
    error: (error: unknown) => stop.abort(error),
  });
  const of = [...new Set(containers.runtimes())].join(' and ');
  if (tracer && !asText) output.write(format(tracer.started), 'tracer.started');
  if (asText) say(`Watching ${[tracer && 'the kernel', of].filter(Boolean).join(' and ')}. Press Ctrl-C to stop.`);

  settle();
  const timer = given.duration === undefined ? undefined : setTimeout(end, given.duration);
  if (!stop.signal.aborted)
    await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
  clearTimeout(timer);
  ends.close();
  tracer?.close();
  containers.close();
  await output.end();
  const { reason } = stop.signal;
  if (reason instanceof Error && reason.name !== 'AbortError') throw reason;
  return Exit.ok;
}
