/** Sends mails, by a mail server (SMTP) or by the program sendmail. What comes within a minute is one mail. */

import { readRegularFile } from '../../linux/regular-file.ts';
import type { Alert } from '../../model/alert.ts';
import { OomscopeError } from '../../model/error.ts';
import type { Receipt } from '../../model/receipt.ts';
import { findProgram, runProgram } from '../../process/program.ts';
import { printable } from '../../text/printable.ts';
import { inherited } from './exec.ts';
import { mailMessage } from './mail-message.ts';
import { redact } from './redact.ts';
import type { Sink } from './sink.ts';
import { SmtpRefusal, type SmtpServer, sendBySmtp } from './smtp.ts';

export interface EmailOptions {
  /** One or several addresses with commas between them. */
  to: string;
  /** The sender. Default: oomscope at the name of this host. */
  from?: string;
  /** smtp://HOST:PORT or smtps://HOST:PORT. Default: the program sendmail. */
  server?: string;
  /** The program to use without a server. Default: /usr/sbin/sendmail, or sendmail in PATH. */
  sendmail?: string;
  /** The login. It is sent only within TLS, or to this machine. */
  user?: string;
  password?: string;
  /** A file with certificates (PEM) of an authority to trust instead of the usual ones. */
  ca?: string;
  timeoutMs?: number;
  /** The first alert is sent at once; those of the following time are one mail (ms). Default 60,000. */
  everyMs?: number;
}

/** A part of an address. None begins with "-", which sendmail would read as an option. */
const ADDRESS = /^[A-Za-z0-9_][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]*(?:@[A-Za-z0-9.-]+)?$/;
/** Most alerts in one mail. */
const MOST = 100;
/** sysexits(3): try again later. */
const EX_TEMPFAIL = 75;

/** @throws OomscopeError USAGE */
export function email(options: EmailOptions): Sink {
  const { timeoutMs = 30_000, everyMs = 60_000 } = options;
  const to = options.to.split(',').map((each) => addressOf(each.trim(), 'to'));
  const from = addressOf(options.from ?? `oomscope@${process.getBuiltinModule('node:os').hostname()}`, 'from');
  const send = options.server === undefined ? bySendmail(from, to, options) : bySmtp(from, to, options);
  const deliver = (alerts: readonly Alert[], signal: AbortSignal) => send(mailMessage(alerts, { from, to }), signal);
  return {
    name: `email ${printable(to.join(', '))}`,
    everyMs,
    timeoutMs,
    deliver: (alert, signal) => deliver([alert], signal),
    digest: { most: MOST, deliver },
  };
}

type Send = (message: string, signal: AbortSignal) => Promise<Receipt>;

function bySendmail(from: string, to: readonly string[], { user, password, ca, sendmail }: EmailOptions): Send {
  if (user !== undefined || password !== undefined || ca !== undefined)
    throw wrong('expected "server" as well: user, password and ca_file are for a mail server.');
  // Debian has it in /usr/sbin, which is not in the PATH of every user.
  const standard = process.getBuiltinModule('node:fs').existsSync(SENDMAIL) ? SENDMAIL : 'sendmail';
  const path = findProgram(sendmail ?? standard, 'email');
  return async (message, signal) => {
    const args = ['-i', '-f', from, '--', ...to];
    const input = message.replaceAll('\r\n', '\n');
    const receipt = await runProgram({ path, args, env: inherited(), input, signal });
    const mayWork = receipt.outcome === 'refused' && receipt.reply.startsWith(`exit status ${EX_TEMPFAIL}`);
    return mayWork ? { ...receipt, outcome: 'retry' } : receipt;
  };
}

const SENDMAIL = '/usr/sbin/sendmail';

function bySmtp(from: string, to: readonly string[], options: EmailOptions): Send {
  const server = serverOf(options);
  const secrets = [
    options.password,
    server.login && Buffer.from(`\0${server.login.user}\0${server.login.password}`).toString('base64'),
  ];
  const hidden = secrets.filter((secret) => secret !== undefined);
  return async (message, signal) => {
    try {
      return { outcome: 'delivered', reply: redact(await sendBySmtp(server, { from, to }, message, signal), hidden) };
    } catch (error) {
      const isFinal = error instanceof SmtpRefusal && error.isFinal;
      return { outcome: isFinal ? 'refused' : 'retry', reply: printable(redact((error as Error).message, hidden)) };
    }
  };
}

function serverOf({ server = '', user, password, ca }: EmailOptions): SmtpServer {
  const url = URL.parse(server);
  const isSmtp = url?.protocol === 'smtp:' || url?.protocol === 'smtps:';
  if (!url || !isSmtp || url.hostname === '' || url.username !== '' || !/^\/?$/.test(url.pathname))
    throw wrong(
      'expected a server such as smtp://mail.example.org:587 or smtps://mail.example.org:465, without a login.',
    );
  if ((user === undefined) !== (password === undefined))
    throw wrong('expected both a user and a password, or neither.');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isLocal = host === 'localhost' || host === '::1' || /^127\./.test(host);
  const isSecure = url.protocol === 'smtps:';
  const port = url.port === '' ? (isSecure ? 465 : 25) : Number(url.port);
  const login = user === undefined || password === undefined ? undefined : { user, password };
  return { host, port, tls: isSecure ? 'now' : isLocal ? 'offered' : 'required', login, ca: ca && certificates(ca) };
}

function certificates(path: string): string {
  const { bytes, problem } = readRegularFile(path, 1024 ** 2);
  if (problem !== undefined) throw wrong(`cannot read ${printable(path)}: ${problem}.`);
  return bytes.toString();
}

function addressOf(text: string, what: string): string {
  if (ADDRESS.test(text) && text.length <= 254) return text;
  throw wrong(`${what}: expected an address such as ops@example.org, got ${JSON.stringify(text.slice(0, 100))}.`);
}

const wrong = (what: string) => new OomscopeError('USAGE', `email: ${what}`);
