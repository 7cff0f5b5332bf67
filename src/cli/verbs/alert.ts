import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSink } from '../../alerts/open.ts';
import type { Sink } from '../../alerts/sinks/sink.ts';
import type { Alert } from '../../model/alert.ts';
import type { Receipt } from '../../model/receipt.ts';
import { printable } from '../../text/printable.ts';
import { parseSink, sinkHelp } from '../verb/alert-option.ts';
import { Exit } from '../verb/exit.ts';
import { flag, optionsHelp, parseOptions, usage } from '../verb/options.ts';

const options = {
  json: flag('one JSON object on stdout'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope alert test SINK [options]

Sends a test alert to a sink, first firing and then resolved, and prints the
outcome and the duration of each. Verbs that watch send their alerts to the
sinks given with \`--alert SINK\`.

${optionsHelp(options)}

Sinks:
${sinkHelp()}
Examples:
  oomscope alert test file=/var/log/oomscope/alerts.jsonl
  oomscope alert test 'webhook=https://example.org/hook key-env=HOOK_KEY'
  oomscope trace --alert 'slack=@/etc/oomscope/slack-url min=critical'

Exit codes: 0 both alerts were delivered, 1 at least one was not,
2 bad option or sink.
`;

interface Step {
  alert: Alert;
  receipt: Receipt;
  ms: number;
}

export async function run(argv: string[]): Promise<number> {
  const words = argv.filter((word) => !word.startsWith('-'));
  const given = parseOptions(
    'alert',
    options,
    argv.filter((word) => word.startsWith('-')),
  );
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const [action, spec, ...rest] = words;
  if (action !== 'test') {
    throw usage(`Expected \`oomscope alert test SINK\`, got ${action === undefined ? 'no action' : `"${action}"`}.`);
  }
  if (spec === undefined || rest.length > 0) {
    throw usage(
      `Expected one sink, got ${spec === undefined ? 'none' : rest.length + 1}. See \`oomscope alert --help\`.`,
    );
  }
  const { sink, queue } = await openSink(parseSink(spec, 'alert test'));
  await queue?.close(); // openSink() has checked the spool; the test does not use it
  const steps: Step[] = [];
  for (const alert of testAlerts(new Date())) {
    if (steps.length > 0) await sleep(sink.everyMs ?? 0);
    steps.push(await attempt(sink, alert));
  }
  await sink.close?.();
  process.stdout.write(given.json ? `${JSON.stringify(asJson(sink, steps))}\n` : render(sink, steps));
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

function render(sink: Sink, steps: Step[]): string {
  const lines = steps.map(({ alert, receipt, ms }) => {
    return `${alert.status.padEnd(9)} ${words[receipt.outcome]} in ${ms} ms: ${printable(receipt.reply)}`;
  });
  return `${sink.name}: ${steps[0]?.alert.title ?? ''}\n${lines.join('\n')}\n`;
}

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
