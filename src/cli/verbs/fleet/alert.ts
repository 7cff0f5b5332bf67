import { alertOption, sinkSections } from '../../verb/alert-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { duration, usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { serverOf, serverOption, serverSections } from '../../verb/server-option.ts';
import { tell } from '../../verb/tell.ts';

const options = {
  server: serverOption,
  alert: alertOption,
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
};

export const verb = defineVerb({
  description: [
    'Sends alerts about incidents of the fleet, not about single kills: a bad image on forty nodes is one alert, which is resolved when nothing has happened for ten minutes. It also sends an alert about a node that has gone silent, and about two machines of one name.',
    'Run it on several machines: they share the incidents through the server, each incident is sent by one of them, and what one could not deliver goes to another. Settings about a spool have no effect here, because the server keeps what is not delivered.',
  ],
  options,
  sections: [...serverSections(), ...sinkSections()],
  format: 'raw',
  examples: [
    {
      command: 'oomscope fleet alert --server nats://nats.example.org \\\n  --alert slack=@/etc/oomscope/slack-url',
      about: 'Send incidents to Slack.',
    },
    {
      command: 'oomscope fleet alert --alert alertmanager=http://127.0.0.1:9093',
      about: 'Send incidents to Alertmanager.',
    },
    { command: 'oomscope fleet alert --alert file=/var/log/oomscope/fleet.jsonl', about: 'Write them to a file.' },
  ],
  exits: { ok: true, usage: true, unavailable: 'the server cannot be reached, refuses, or is not set up' },
  run,
});

async function run({ given }: Context<typeof options>): Promise<number> {
  if (given.alert.length === 0) throw usage('--alert: expected at least one sink, got none.');
  const [{ FleetAlerting }, { openSink }] = await Promise.all([
    import('../../../fleet/alerting.ts'),
    import('../../../alerts/open.ts'),
  ]);
  const sinks = [];
  for (const { spool: _, ...sink } of given.alert) sinks.push(await openSink(sink, tell));
  const ending = new RunUntil();
  ending.bySignals();
  await using alerting = await FleetAlerting.open({ ...serverOf(given.server), sinks, tell });
  alerting.fleet.events$.subscribe({ error: ending.fail });
  tell('Sending alerts about incidents of the fleet. Press Ctrl-C to stop.');
  await ending.comes(given.duration);
  await alerting.close();
  ending.throwFailure();
  return Exit.ok;
}
