import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sink } from '../../../alerts/sinks/sink.ts';
import type { Alert } from '../../../model/alert.ts';
import type { Receipt } from '../../../model/receipt.ts';
import { printable } from '../../../text/printable.ts';
import { parseSink, sinkSections } from '../../verb/alert-option.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';

export const verb = defineVerb({
  description: [
    'Sends two test alerts to a sink, one with the status "firing" and one with "resolved", and prints the outcome and the duration of each. Verbs that watch events send alerts to the sinks given with --alert SINK.',
  ],
  words: {
    name: 'SINK',
    least: 1,
    most: 1,
    about: 'the name of a sink, its target and settings, in one shell argument',
  },
  options: {},
  format: 'document',
  json: 'write one JSON object',
  sections: sinkSections(),
  examples: [
    { command: 'oomscope alert test file=/var/log/oomscope/alerts.jsonl', about: 'Write the alerts to a file.' },
    {
      command: "oomscope alert test \\\n  'webhook=https://example.org/hook key-env=HOOK_KEY'",
      about: 'Send the alerts to a webhook, signed with the key in HOOK_KEY.',
    },
    {
      command: 'oomscope alert test slack=@/etc/oomscope/slack-url --json',
      about: 'Send the alerts to Slack, and print the result as JSON.',
    },
  ],
  exits: {
    ok: 'both alerts were delivered',
    failed: 'at least one alert was not delivered',
    usage: 'bad option or sink',
  },
  run,
});

/** The longest pause between the two alerts (ms). Email has an interval of a minute, for which no user of a test waits. */
const LONGEST_PAUSE_MS = 1000;

interface Step {
  alert: Alert;
  receipt: Receipt;
  ms: number;
}

async function run({ words: [spec = ''], asText }: Context<Record<never, never>>): Promise<number> {
  const { openSink } = await import('../../../alerts/open.ts');
  const { sink, queue } = await openSink(parseSink(spec, 'alert test'));
  await queue?.close(); // openSink() has checked the spool; the test does not use it
  const steps: Step[] = [];
  for (const alert of testAlerts(new Date())) {
    if (steps.length > 0) await sleep(Math.min(sink.everyMs ?? 0, LONGEST_PAUSE_MS));
    else if (asText) process.stdout.write(`${sink.name}: ${alert.title}\n`);
    const step = await attempt(sink, alert);
    if (asText) process.stdout.write(render(step));
    steps.push(step);
  }
  await sink.close?.();
  if (!asText) process.stdout.write(`${JSON.stringify(asJson(sink, steps))}\n`);
  return steps.every(({ receipt }) => receipt.outcome === 'delivered') ? Exit.ok : Exit.failed;
}

async function attempt(sink: Sink, alert: Alert): Promise<Step> {
  const began = performance.now();
  const receipt = await sink.deliver(alert, AbortSignal.timeout(sink.timeoutMs ?? 10_000));
  return { alert, receipt, ms: Math.round((performance.now() - began) * 10) / 10 };
}

function testAlerts(now: Date): Alert[] {
  const time = now.toISOString();
  const node = hostname();
  const firing: Alert = {
    schema: 'oomscope/alert/v1',
    id: `test-${now.getTime().toString(36)}-${process.pid.toString(36)}-1`,
    key: `test ${node}`,
    status: 'firing',
    severity: 'info',
    name: 'OomscopeTest',
    title: `A test of oomscope on ${node}`,
    message: 'This is a test: nothing is wrong.',
    labels: { alertname: 'OomscopeTest', severity: 'info', node },
    starts_at: time,
    ends_at: null,
    momentary: false,
    event: null,
  };
  const id = firing.id.replace(/1$/, '2');
  return [firing, { ...firing, id, status: 'resolved', message: 'The test is over.', ends_at: time }];
}

const words = { delivered: 'delivered', retry: 'failed', refused: 'refused' } as const;

const render = ({ alert, receipt, ms }: Step) =>
  `${alert.status.padEnd(9)} ${words[receipt.outcome]} in ${ms} ms: ${printable(receipt.reply)}\n`;

function asJson(sink: Sink, steps: Step[]) {
  return {
    sink: sink.name,
    steps: steps.map(({ alert, receipt, ms }) => ({
      status: alert.status,
      outcome: receipt.outcome,
      reply: receipt.reply,
      duration_ms: ms,
      alert,
    })),
  };
}
