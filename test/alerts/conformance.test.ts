/** Runs the same tests against every sink, with a real receiver; only Slack, PagerDuty and the desktop have a fake one. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { alertmanager } from '../../src/alerts/sinks/alertmanager.ts';
import { desktop } from '../../src/alerts/sinks/desktop.ts';
import { email } from '../../src/alerts/sinks/email.ts';
import { exec } from '../../src/alerts/sinks/exec.ts';
import { file } from '../../src/alerts/sinks/file.ts';
import { journald } from '../../src/alerts/sinks/journald.ts';
import { pagerduty } from '../../src/alerts/sinks/pagerduty.ts';
import { slack } from '../../src/alerts/sinks/slack.ts';
import { webhook } from '../../src/alerts/sinks/webhook.ts';
import type { Alert } from '../../src/model/alert.ts';
import { conforms, type Rig } from './conformance.ts';
import { alertmanagerUnavailable, RealAlertmanager } from './real-alertmanager.ts';
import { journaldUnavailable, RealJournald } from './real-journald.ts';
import { LOGIN, RealSmtp, smtpUnavailable } from './real-smtp.ts';
import { Receiver } from './receiver.ts';

const SECRET = 'T0K3N';
const hang = () => {};

async function overHttp(
  make: (url: string) => Rig['sink'],
  read: (body: string) => string,
): Promise<Rig & { receiver: Receiver }> {
  const receiver = await Receiver.start();
  return {
    receiver,
    sink: make(`${receiver.url}/hook/${SECRET}`),
    secret: SECRET,
    received: () => receiver.received.map(({ body }) => read(body)),
    down: () => receiver.down(),
    up: () => receiver.up(),
    hang: () => {
      receiver.answer = hang;
    },
    stop: () => receiver.down(),
  };
}

/** Makes a directory with a program that appends a line for each alert. */
function withProgram(name: string, script: (log: string) => string) {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-sink-'));
  const log = join(directory, 'log');
  const program = join(directory, name);
  const write = (text: string) => writeFileSync(program, `#!/bin/sh\n${text}\n`);
  write(script(log));
  chmodSync(program, 0o755);
  const lines = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : []);
  return {
    directory,
    program,
    lines,
    hang: () => write('sleep 60'),
    stop: () => rmSync(directory, { recursive: true }),
  };
}

const titleOf = (line: string) => (JSON.parse(line) as Alert).title;

describe('sinks', () => {
  conforms('webhook', { mayBeDown: true, mayHang: true }, () =>
    overHttp(
      (url) => webhook({ url, key: SECRET, token: SECRET }),
      (body) => JSON.parse(body).data.title,
    ),
  );

  conforms('slack (with a fake server)', { mayBeDown: true, mayHang: true }, () =>
    overHttp(
      (url) => slack({ url }),
      (body) => JSON.parse(body).text,
    ),
  );

  conforms('pagerduty (with a fake server)', { mayBeDown: true, mayHang: true }, () =>
    overHttp(
      (url) => pagerduty({ url, routingKey: SECRET }),
      (body) => JSON.parse(body).payload?.summary ?? 'resolved',
    ),
  );

  const emailTraits = { unavailable: smtpUnavailable(), mayBeDown: true, mayHang: true };
  conforms('email (with a real mail server)', emailTraits, async () => {
    const server = await RealSmtp.start({ secure: true });
    return {
      sink: email({ to: 'ops@example.org', server: server.url, ca: server.certificate, ...LOGIN }),
      secret: LOGIN.password,
      received: () => server.mails.map(({ headers }) => headers.Subject ?? ''),
      down: () => server.down(),
      up: () => server.up(),
      hang: () => server.hang(),
      stop: () => server.stop(),
    };
  });

  const alertmanagerTraits = { unavailable: alertmanagerUnavailable(), mayBeDown: true, mayHang: false };
  conforms('alertmanager (the real one)', alertmanagerTraits, async () => {
    const manager = await RealAlertmanager.start();
    return {
      sink: alertmanager({ url: manager.url, token: SECRET }),
      secret: SECRET,
      received: async () => (await manager.active()).map(({ annotations }) => annotations.summary ?? ''),
      forgets: true,
      down: () => manager.down(),
      up: () => manager.up(),
      stop: () => manager.stop(),
    };
  });

  conforms('exec', { mayBeDown: false, mayHang: true }, async () => {
    const { program, lines, hang, stop } = withProgram('handler', (log) => `cat >>'${log}'`);
    return { sink: exec({ program }), received: () => lines().map(titleOf), hang, stop };
  });

  conforms('desktop (with a fake notify-send)', { mayBeDown: false, mayHang: true }, async () => {
    const { directory, lines, hang, stop } = withProgram('notify-send', (log) => `printf '%s\\n' "$4" >>'${log}'`);
    const path = process.env.PATH;
    process.env.PATH = `${directory}:${path}`;
    const sink = desktop();
    process.env.PATH = path;
    return { sink, received: lines, hang, stop };
  });

  conforms('file', { mayBeDown: true, mayHang: false }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-sink-'));
    const path = join(directory, 'sub', 'alerts.jsonl');
    mkdirSync(join(directory, 'sub'));
    const read = () => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []);
    return {
      sink: file({ path }),
      received: () => read().map(titleOf),
      down: () => rmSync(join(directory, 'sub'), { recursive: true }),
      up: () => mkdirSync(join(directory, 'sub')),
      stop: () => rmSync(directory, { recursive: true }),
    };
  });

  const journaldTraits = { unavailable: journaldUnavailable(), mayBeDown: false, mayHang: false };
  conforms('journald (the real one)', journaldTraits, async () => {
    const journal = await RealJournald.start();
    return {
      sink: journald({ socket: journal.socket }),
      received: () => journal.lines().map(({ MESSAGE }) => MESSAGE),
      stop: () => journal.stop(),
    };
  });
});
