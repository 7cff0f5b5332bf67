import { backends } from '../../bpf/load/variants.ts';
import type { Event, KillKind, TracerStopped } from '../../model/events.ts';
import { otherUsersOption } from '../verb/container-option.ts';
import { type Context, defineVerb } from '../verb/define-verb.ts';
import { type Live, liveOptions, runLive } from '../verb/live.ts';
import { byDefault, count, flag, oneOf, several, size, text, usage } from '../verb/options.ts';
import { publishOption, publishSections } from '../verb/publish-option.ts';
import type { RunUntil } from '../verb/run-until.ts';
import { terminalColumns } from '../verb/terminal-size.ts';

const kinds: readonly KillKind[] = ['killed', 'already_dying', 'group_member', 'shared_memory'];

const options = {
  cgroup: several(text('GLOB', 'only kills in this cgroup or below it, or at its limit')),
  comm: several(text('GLOB', 'only victims whose process name matches')),
  container: several(
    text(
      'GLOB',
      'only kills in this container, or at its limit; GLOB matches its name or its id, and the start of an id is enough',
    ),
  ),
  kind: several(oneOf('KIND', 'only kills of this kind', kinds)),
  count: count('N', 'end after N kills, when the memory of their victims is free again'),
  candidates: byDefault(
    'system',
    oneOf(
      'WHICH',
      'for which kills to list all processes that the kernel chose from (system: for kills that are not at a cgroup limit)',
      ['never', 'system', 'always'] as const,
    ),
  ),
  'lead-up': flag(
    'add the minute before each kill: usage, pressure, and the processes that grew; for this, oomscope samples about once a second, and less often while nothing changes',
  ),
  'all-kills': flag(
    'also report every other process that dies of SIGKILL or of a signal from another process, and who sent it',
  ),
  signals: oneOf(
    'WHICH',
    'with --all-kills: only SIGKILL (kill), also signals from other processes (sent, the default), or every death by a signal, such as crashes and Ctrl-C (all)',
    ['kill', 'sent', 'all'] as const,
  ),
  report: flag("for each kill, also read the kernel's own report from its log and explain it"),
  'other-users': otherUsersOption,
  ...liveOptions,
  publish: publishOption,
  ring: byDefault('512K', size('SIZE', 'size of the ring buffer between the kernel and oomscope, a power of two')),
  backend: oneOf('NAME', 'for tests: use this kernel interface wherever the kernel has it', backends),
};

export const verb = defineVerb({
  description: [
    "Reports each kill of the kernel's OOM killer the moment it happens: the victim, the process that asked for memory, the reason, and the cgroup whose limit was hit. A second event follows when the victim's memory is free again.",
    'Names of containers come from Docker (its socket, or DOCKER_HOST), from the lists of Podman and CRI-O, and from files of containerd and the kubelet. If a name is not known, the container is shown by its id. `oomscope schema` describes the events. Ctrl-C stops tracing and prints a summary.',
  ],
  options,
  format: 'records',
  sections: publishSections(),
  examples: [
    { command: 'sudo oomscope trace', about: 'Watch this machine.' },
    {
      command: 'sudo oomscope trace --lead-up --report',
      about: "Add the minute before each kill as bars, and explain the kernel's own report.",
    },
    {
      command: 'sudo oomscope trace --json |\n  jq -c \'select(.type == "oom.kill") | .victim.comm\'',
      about: 'Print the names of the victims.',
    },
    {
      command: "sudo oomscope trace --container 'shop-*' --duration 1h >> kills.jsonl",
      about: 'Record the kills in some containers for an hour.',
    },
    {
      command: 'sudo oomscope trace --all-kills --json |\n  jq -r \'select(.type == "process.killed") | .message\'',
      about: 'Tell of each killed process who killed it.',
    },
    {
      command:
        "sudo oomscope trace --alert 'slack=@/etc/oomscope/slack-url' \\\n  --alert file=/var/log/oomscope/alerts.jsonl",
      about: 'Send alerts to Slack, and write them to a file.',
    },
  ],
  exits: { ok: true, usage: true, unavailable: 'this kernel or installation cannot trace', noPermission: true },
  run: (context) =>
    runLive(context, {
      refuse: async () => (await import('../../bpf/load/tracer-loader.ts')).refuseObstacle(),
      open: (ending) => open(context, ending),
    }),
});

async function open({ given, asText, paint }: Context<typeof options>, ending: RunUntil) {
  if (given.signals !== undefined && !given['all-kills']) throw usage('--signals: expected --all-kills as well.');
  const [{ openTracer }, { rehearsalOf }, { endCompilation }, { stoppedMessage }, { filterKills }, explain] =
    await Promise.all([
      import('../../tracer/tracer.ts'),
      import('../../tracer/rehearsal.ts'),
      import('../verb/start-up.ts'),
      import('../../tracer/message.ts'),
      import('../../stream/filter-kills.ts'),
      given.report && asText ? import('../../explain/render/text.ts') : undefined,
    ]);
  const tracer = await openTracer({
    ...(given.ring !== undefined && { ringBytes: given.ring }),
    ...(given.backend !== undefined && { backend: given.backend }),
    ...(given['lead-up'] && { leadUp: true }),
    ...(given.report && { report: true }),
    ...(given['other-users'] && { containers: { otherUsers: true } }),
    ...(given['all-kills'] && { allKills: given.signals ?? 'sent' }),
    ...(given.candidates !== undefined && { candidates: given.candidates }),
  });
  const { kind: kinds, comm: comms, cgroup: cgroups, container: containers } = given;
  const rehearsal = rehearsalOf(tracer);
  if (rehearsal) rehearsal.pages.mayCollect = true;
  const wanted = { kinds, comms, cgroups, containers };
  return {
    events$: tracer.events$.pipe(filterKills(wanted)),
    // Another filter: the first one remembers the kills that it has passed.
    ...(rehearsal && { rehearsed$: rehearsal.events$.pipe(filterKills(whatever)) }),
    warmUp: () => rehearsal?.again(),
    next: counted(given.count ?? Number.POSITIVE_INFINITY, ending, { asText, messageOf: stoppedMessage }),
    start: (live: Live) => {
      live.started(tracer.started);
      rehearsal?.prepare();
      endCompilation();
    },
    text: (event: Event) =>
      explain && event.type === 'oom.report'
        ? explain.renderReport(event, paint, terminalColumns(process.stdout, 100))
        : undefined,
    lostBehind: (dropped: Record<string, number>) => tracer.lostBehind(dropped),
    close: () => tracer.close(),
  };
}

const whatever = { kinds: [], comms: ['*'], cgroups: ['*'], containers: ['*'] };

/**
 * Emits the first `most` kills, and the other events about these kills. Ends the verb when the memory of their
 * victims is free.
 */
function counted(most: number, ending: RunUntil, { asText, messageOf }: Showing) {
  let kills = 0;
  let shown = 0; // of the kills by the OOM killer
  const open = new Set<string>(); // ids of kills whose memory is not free yet
  return (event: Event, live: Live) => {
    if (event.type === 'oom.kill') {
      if (kills >= most) return;
      kills++;
      shown++;
      if (event.kind !== 'shared_memory') open.add(event.id);
    }
    if (event.type === 'process.killed') {
      // Readers of text have read of this kill already.
      if (event.kill_id !== null ? asText : kills++ >= most) return;
    }
    if (event.type === 'oom.reaped' && !open.delete(event.kill_id)) return;
    live.emit(event.type === 'tracer.stopped' ? withHidden(event, shown, messageOf) : event);
    if (kills >= most && open.size === 0) ending.now();
  };
}

interface Showing {
  asText: boolean;
  /** `stoppedMessage()` of the tracer, which is loaded only when the verb runs. */
  messageOf: (facts: Omit<TracerStopped, 'message'>) => string;
}

/** @param shown the number of kills that the command has shown */
function withHidden(stopped: TracerStopped, shown: number, messageOf: Showing['messageOf']): TracerStopped {
  const total = Object.values(stopped.kills).reduce((sum, count) => sum + count, 0);
  const facts = { ...stopped, kills_hidden: total - shown };
  return { ...facts, message: messageOf(facts) };
}
