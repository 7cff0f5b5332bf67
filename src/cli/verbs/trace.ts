import { backends } from '../../bpf/load/variants.ts';
import { type Event, type KillKind, SCHEMA } from '../../model/events.ts';
import { Output } from '../../render/output.ts';
import { renderEvent } from '../../render/terminal.ts';
import { filterKills } from '../../stream/filter-kills.ts';
import { openTracer } from '../../tracer/tracer.ts';
import { alertOption, openAlerts } from '../verb/alert-option.ts';
import { collectGarbage } from '../verb/collect-garbage.ts';
import { paintFor } from '../verb/colour.ts';
import { Exit } from '../verb/exit.ts';
import { count, duration, flag, oneOf, optionsHelp, parseOptions, size, text, usage } from '../verb/options.ts';
import { RunUntil } from '../verb/run-until.ts';

const kinds: readonly KillKind[] = ['killed', 'already_dying', 'group_member', 'shared_memory'];

const options = {
  json: flag('JSON Lines on stdout (the default when it is not a terminal)'),
  text: flag('text on stdout (the default on a terminal)'),
  duration: duration('TIME', 'stop after this time: 500ms, 30s, 5m, 2h'),
  count: count('N', 'stop after N kills, once their memory is back'),
  kind: {
    ...oneOf('KIND', `only kills of this kind: ${kinds.join(', ')}; may be repeated`, kinds),
    multiple: true as const,
  },
  comm: {
    ...text('GLOB', 'only victims of this name; * and ? are wildcards; may be repeated'),
    multiple: true as const,
  },
  cgroup: {
    ...text('GLOB', 'only kills in this cgroup or below it, or by its limit; may be repeated'),
    multiple: true as const,
  },
  container: {
    ...text('GLOB', 'only kills in this container or by its limit: a name, an id or its start; may be repeated'),
    multiple: true as const,
  },
  candidates: oneOf(
    'WHICH',
    'list whom the kernel chose from: never, system (default: where no cgroup limit was hit), always',
    ['never', 'system', 'always'] as const,
  ),
  alert: alertOption,
  'lead-up': flag(
    'record the minute before each kill: usage, pressure, and who grew; looks about once\na second, less often while nothing moves',
  ),
  report: flag("with each kill the kernel's own report, read as it is printed, and what it means"),
  backend: oneOf('NAME', `for tests: use this kernel interface wherever it exists: ${backends.join(', ')}`, backends),
  ring: size('SIZE', 'size of the ring between kernel and oomscope, a power of two (512K)'),
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope trace [options]

Says, the moment it happens, whom the kernel's OOM killer kills: the victim, the task that triggered it, the reason, and
whose limit it was; then how long it took until the memory was back.

${optionsHelp(options)}

Examples:
  oomscope trace                                  watch this machine
  oomscope trace --lead-up                        with what led to each kill, as bars
  oomscope trace --report                         with the kernel's own report of it, explained
  oomscope trace --json | jq -c 'select(.type == "oom.kill") | .victim.comm'
  oomscope trace --count 1 --cgroup '/system.slice/*'   wait for the first kill of a service
  oomscope trace --container 'shop-*'             of containers with such names
  oomscope trace --duration 1h --comm 'postgres*' >> kills.jsonl
  oomscope trace --alert 'slack=@/etc/oomscope/slack-url' --alert file=/var/log/oomscope/alerts.jsonl

Containers have their names from Docker's socket (DOCKER_HOST) and from the lists that Podman and CRI-O keep, where those can
be read; else their ids.

Events are described by \`oomscope schema\` (${SCHEMA}). Ctrl-C ends with a summary. Exit codes: 0 ended as asked, 2 bad
option, 69 this kernel or installation cannot trace, 77 not permitted.
`;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('trace', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given.json && given.text) throw usage('--json and --text: expected one of them, got both.');
  const terminal = process.stdout.isTTY === true;
  const asText = given.text ?? (given.json ? false : terminal);
  const paint = paintFor(given['no-color']);

  const startAlerts = await openAlerts(given.alert);
  const ending = new RunUntil();
  const output = new Output({
    onClosed: ending.now,
    onDropped: (dropped) => format(tracer.lostBehind(dropped)),
  });
  const explained = given.report && asText ? (await import('../../explain/render/text.ts')).renderReport : undefined;
  const format = (event: Event) => {
    if (!asText) return JSON.stringify(event);
    if (event.type === 'oom.report' && explained) return explained(event, paint, process.stdout.columns ?? 100);
    return renderEvent(event, paint);
  };
  const show = (event: Event) => output.write(format(event), event.type);

  const tracer = await openTracer({
    ...(given.ring !== undefined && { ringBytes: given.ring }),
    ...(given.backend !== undefined && { backend: given.backend }),
    ...(given['lead-up'] && { leadUp: true }),
    ...(given.report && { report: true }),
    ...(given.candidates !== undefined && { candidates: given.candidates }),
  });
  const alerts = startAlerts?.();
  ending.bySignals('SIGINT', 'SIGTERM');

  let kills = 0;
  const open = new Set<string>(); // counted kills whose memory is not back
  const reached = () => given.count !== undefined && kills >= given.count;
  tracer.events$
    .pipe(filterKills({ kinds: given.kind, comms: given.comm, cgroups: given.cgroup, containers: given.container }))
    .subscribe({
      next: (event) => {
        if (event.type === 'oom.kill') {
          if (reached()) return;
          kills++;
          if (event.kind !== 'shared_memory') open.add(event.id);
        }
        if (event.type === 'oom.reaped' && !open.delete(event.kill_id)) return;
        if (event.type === 'tracer.stopped' && asText) process.stderr.write(`oomscope: ${event.message}\n`);
        else show(event);
        alerts?.take(event);
        if (reached() && open.size === 0) ending.now();
      },
      error: ending.fail,
    });
  if (asText) process.stderr.write(`oomscope: ${tracer.started.message} Press Ctrl-C to stop.\n`);
  else show(tracer.started);

  collectGarbage();
  await ending.comes(given.duration);
  tracer.close();
  await Promise.all([output.end(), alerts?.close()]);
  ending.throwFailure();
  return Exit.ok;
}
