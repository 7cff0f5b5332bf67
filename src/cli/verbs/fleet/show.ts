import type { FleetEvent } from '../../../fleet/fleet-event.ts';
import type { Event } from '../../../model/events.ts';
import type { Paint } from '../../../render/paint.ts';
import { formatSpan } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { byDefault, duration } from '../../verb/options.ts';
import { serverOf, serverOption, serverSections } from '../../verb/server-option.ts';
import { tell } from '../../verb/tell.ts';

const options = {
  server: serverOption,
  since: byDefault('7d', duration('TIME', 'search what the server stored in this time')),
};

export const verb = defineVerb({
  description: [
    'Shows one event of the fleet by its id, with the node that published it; or an incident by its id, with a line for each event that belongs to it.',
  ],
  words: { name: 'ID', least: 1, most: 1, about: 'the id of an event or of an incident' },
  options,
  sections: serverSections(),
  format: 'document',
  examples: [
    { command: 'oomscope fleet show 1f3c5a7e-2kf-1a2b3c4d-17', about: 'Show an event.' },
    {
      command: 'oomscope fleet show prod-1f3c5a7e-2kf-1a2b3c4d-17',
      about: 'Show an incident, and when and where its kills were.',
    },
    { command: 'oomscope fleet show 1f3c5a7e-2kf-1a2b3c4d-17 --json | jq .event.victim', about: 'Print a part of it.' },
  ],
  exits: {
    ok: true,
    usage: true,
    failed: 'there is no such event',
    unavailable: 'the server cannot be reached, refuses, or is not set up',
  },
  run,
});

async function run({ given, words: [id = ''], asText, paint }: Context<typeof options>): Promise<number> {
  const [{ openFleet }, { findEvents }] = await Promise.all([
    import('../../../fleet/open-fleet.ts'),
    import('../../../fleet/find.ts'),
  ]);
  const { renderEvent } = await import('../../../render/terminal.ts');
  const sinceMs = given.since ?? 7 * 86_400_000;
  await using fleet = await openFleet({ ...serverOf(given.server), sinceMs });
  const { incident, events, more } = await findEvents(fleet, id);
  if (!asText) {
    if (incident) process.stdout.write(`${JSON.stringify(incident)}\n`);
    for (const event of events) process.stdout.write(`${JSON.stringify(event)}\n`);
  } else {
    if (incident) process.stdout.write(`${renderEvent(incident, paint)}\n\n`);
    for (const found of events)
      process.stdout.write(incident ? lineOf(found, paint) : wholeOf(found, renderEvent, paint));
    if (more > 0) process.stdout.write(`${cut(events.length, more)}\n`);
    if (incident)
      process.stdout.write(paint('dim', '`oomscope fleet show` with the id of an event shows all about it.\n'));
  }
  if (more > 0 && !asText) tell(cut(events.length, more));
  if (events.length > 0) return Exit.ok;
  tell(
    `There is no event and no incident "${printable(id)}" in what the server stored in ${formatSpan(sinceMs / 1000)}.`,
  );
  return Exit.failed;
}

const cut = (shown: number, more: number) =>
  `These are the first ${shown} events of the incident. ${more} more belong to it.`;

const isoTime = (ms: number) => new Date(ms).toISOString();

function lineOf(found: FleetEvent, paint: Paint): string {
  const { event, cluster, name, happenedMs } = found;
  const text = printable(`${isoTime(happenedMs)}  ${cluster}/${name}  ${event.message}`);
  return `${text}  ${paint('dim', printable(event.id))}\n`;
}

function wholeOf(found: FleetEvent, render: (event: Event, paint: Paint) => string, paint: Paint): string {
  const place = printable(`${found.cluster}/${found.name}`);
  return `${render(found.event, paint)}\n${paint('dim', `             node      ${place}, stored ${isoTime(found.storedMs)}`)}\n`;
}
