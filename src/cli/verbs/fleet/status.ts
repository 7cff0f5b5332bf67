import type { Fleet } from '../../../fleet/open-fleet.ts';
import type { FleetReport } from '../../../fleet/report.ts';
import type { Event } from '../../../model/events.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, count, duration, flag, several, usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { type Key, Screen } from '../../verb/screen.ts';
import { serverOf, serverOption, serverSections } from '../../verb/server-option.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

const options = {
  server: serverOption,
  since: byDefault('1h', duration('TIME', 'count what the server stored in this time')),
  watch: flag('go on: a full screen on a terminal; with --json a line for each incident and each change of a node'),
  events: flag('with --watch --json: also a line for each event of each node'),
  duration: duration('TIME', 'with --watch: end after this time'),
  nodes: byDefault('20', count('N', 'how many nodes to show')),
  partition: several(count('N', 'read only this part of the nodes, 1 or more, for several readers')),
};

const DRAW_MS = 1000;

export const verb = defineVerb({
  description: [
    'Shows a fleet that publishes to NATS JetStream: incidents that have one cause on one or many nodes, the nodes that need attention first, kills a minute, and the images, workloads and limits with the most kills.',
    'A node is silent when nothing was heard from it for three intervals of 30 seconds and it did not say goodbye. All times are those of the server, so the clocks of the nodes do not matter; a clock that is wrong is shown.',
  ],
  options,
  sections: serverSections(),
  format: 'document',
  json: 'write JSON instead of text; with --watch, JSON Lines',
  examples: [
    { command: 'oomscope fleet status --server nats://nats.example.org', about: 'Show the last hour.' },
    { command: 'oomscope fleet status --watch', about: 'Watch the fleet on a terminal; q quits.' },
    {
      command: 'oomscope fleet status --watch --json |\n  jq -r \'select(.type == "fleet.incident") | .message\'',
      about: 'Print each incident as it begins, spreads and ends.',
    },
  ],
  exits: { ok: true, usage: true, unavailable: 'the server cannot be reached, refuses, or is not set up' },
  run,
});

type Given = Context<typeof options>;

async function run(context: Given): Promise<number> {
  const { given, asText } = context;
  if (given.events && !(given.watch && !asText)) throw usage('--events: expected --watch and --json as well.');
  if (given.duration !== undefined && !given.watch) throw usage('--duration: expected --watch as well.');
  if (given.watch && asText && !Screen.possible())
    throw usage('--watch needs a terminal, or --json for a line for each incident.');
  const [{ openFleet }, { fleetReport }, { Totals }] = await Promise.all([
    import('../../../fleet/open-fleet.ts'),
    import('../../../fleet/fleet-report.ts'),
    import('../../../fleet/totals.ts'),
  ]);
  const sinceMs = given.since ?? 3_600_000;
  const isLive = given.watch === true;
  await using fleet = await openFleet({
    ...serverOf(given.server),
    sinceMs,
    ...(given.partition.length > 0 && { partitions: given.partition.map((one) => one - 1) }),
    onTrouble: isLive && asText ? () => {} : tell,
  });
  const totals = new Totals();
  fleet.events$.subscribe((event) => totals.take(event));
  const report = () => fleetReport(fleet, totals, sinceMs);
  if (isLive && !asText) return await lines(fleet, context);
  if (isLive) return await screen(fleet, report, context);
  await fleet.caughtUp;
  if (asText) {
    const { renderFleet } = await import('../../../fleet/report.ts');
    const view = { paint: context.paint, rows: Number(given.nodes ?? 20), most: terminalColumns(process.stdout, 160) };
    process.stdout.write(`${renderFleet(report(), view).join('\n')}\n`);
  } else process.stdout.write(`${JSON.stringify(report())}\n`);
  return Exit.ok;
}

async function lines(fleet: Fleet, { given }: Given): Promise<number> {
  const [{ Output }, { EnvelopeFactory }, { LossCounter }] = await Promise.all([
    import('../../../render/output.ts'),
    import('../../../events/envelope.ts'),
    import('../../../events/loss-counter.ts'),
  ]);
  const ending = new RunUntil();
  ending.bySignals();
  const losses = new LossCounter(new EnvelopeFactory());
  const onDropped = (dropped: Record<string, number>) => JSON.stringify(losses.behind(dropped));
  const output = new Output({ onClosed: ending.now, onDropped });
  const write = (event: Event) => output.write(JSON.stringify(event), event.type);
  const error = ending.fail;
  fleet.incidents$.subscribe({ next: write, error });
  fleet.nodes$.subscribe({ next: write, error });
  if (given.events) fleet.events$.subscribe({ next: ({ event }) => write(event), error });
  await ending.comes(given.duration);
  await output.end();
  ending.throwFailure();
  return Exit.ok;
}

async function screen(fleet: Fleet, report: () => FleetReport, { given, paint }: Given): Promise<number> {
  const { renderFleet } = await import('../../../fleet/report.ts');
  const ending = new RunUntil();
  ending.bySignals();
  const onKey = (key: Key) => {
    if (key === 'q' || key === 'ctrl-c') ending.now();
  };
  const view = new Screen({ onKey, onResize: () => draw() });
  let isRead = false;
  void fleet.caughtUp.then(() => {
    isRead = true;
  });
  const draw = () => {
    const { columns, rows } = view;
    const nodes = Math.max(1, rows - 16);
    const shown = renderFleet(report(), { paint, rows: nodes, most: columns, isRead }).slice(0, rows - 1);
    const foot = fleet.problem === undefined ? paint('dim', 'q quits') : paint('yellow', fleet.problem);
    view.draw([...shown, ...Array(Math.max(0, rows - 1 - shown.length)).fill(''), foot]);
  };
  fleet.events$.subscribe({ error: ending.fail });
  view.open();
  draw();
  const timer = setInterval(draw, DRAW_MS);
  await ending.comes(given.duration);
  clearInterval(timer);
  view.close();
  ending.throwFailure();
  return Exit.ok;
}
