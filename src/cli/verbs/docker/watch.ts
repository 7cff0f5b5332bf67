import { openContainerWatch } from '../../../container-watch/container-watch.ts';
import type { Container } from '../../../model/container.ts';
import type { Event } from '../../../model/events.ts';
import { Output } from '../../../render/output.ts';
import { renderEvent } from '../../../render/terminal.ts';
import { globMatch } from '../../../text/glob.ts';
import { alertOption, openAlerts } from '../../verb/alert-option.ts';
import { collectGarbage } from '../../verb/collect-garbage.ts';
import { paintFor } from '../../verb/colour.ts';
import { socketOption } from '../../verb/container-option.ts';
import { Exit } from '../../verb/exit.ts';
import { count, duration, flag, optionsHelp, parseWords, usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';

const options = {
  json: flag('JSON Lines on stdout (the default when it is not a terminal)'),
  text: flag('text on stdout (the default on a terminal)'),
  socket: socketOption,
  duration: duration('TIME', 'stop after this time: 30s, 5m, 2h'),
  count: count('N', 'stop after N events'),
  alert: alertOption,
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
  oomscope docker watch 'shop-*' --json | jq -r 'select(.container) | [.container.name, .verdict // "not OOM"] | @tsv'

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

  const startAlerts = await openAlerts(given.alert);
  const watch = await openContainerWatch(given.socket.length > 0 ? { sockets: given.socket } : {});
  const runtimes = [...new Set(watch.containers.runtimes())];
  for (const sentence of watch.containers.unreachable.values()) say(sentence);
  if (runtimes.length === 0)
    say('no container runtime answers: kills are told with the ids of containers, and not how they ended.');
  if (watch.kernelError)
    say(`the kernel's kills cannot be watched, only the runtime's word is left: ${watch.kernelError.message}`);

  const ending = new RunUntil();
  const format = (event: Event) => (asText ? renderEvent(event, paint) : JSON.stringify(event));
  const output = new Output({ onClosed: ending.now, onDropped: (dropped) => format(watch.lostBehind(dropped)) });
  const alerts = startAlerts?.();
  ending.bySignals('SIGINT', 'SIGTERM');
  let seen = 0;
  watch.events$.subscribe({
    next: (event) => {
      if (event.type === 'tracer.stopped' && asText) return;
      if ('container' in event) {
        if (!isNamed(event.container, names) || seen === given.count) return;
        seen++;
        alerts?.take(event);
      }
      output.write(format(event), event.type);
      if (seen === given.count) ending.now();
    },
    error: ending.fail,
  });
  if (asText) {
    const what = [...(watch.started ? ['the kernel'] : []), ...runtimes].join(' and ');
    say(`Watching ${what}. Press Ctrl-C to stop.`);
  } else if (watch.started) output.write(format(watch.started), 'tracer.started');

  collectGarbage();
  await ending.comes(given.duration);
  watch.close();
  await Promise.all([output.end(), alerts?.close()]);
  ending.throwFailure();
  return Exit.ok;
}

/** No names: all. */
function isNamed({ name, id }: Container, names: readonly string[]): boolean {
  return names.length === 0 || names.some((glob) => globMatch(glob, name ?? '') || id.startsWith(glob));
}
