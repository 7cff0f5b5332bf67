import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Lane } from '../../../src/alerts/lane.ts';
import { email } from '../../../src/alerts/sinks/email.ts';
import { mailMessage } from '../../../src/alerts/sinks/mail-message.ts';
import { anAlert, HOSTILE } from '../alerts.ts';
import { LOGIN, RealSmtp, smtpUnavailable } from '../real-smtp.ts';
import { until } from '../receiver.ts';

/** Fails a test whose server hangs. */
const never = AbortSignal.timeout(100_000);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('a mail', () => {
  it('has no line that is too long, and no name in it makes a header', () => {
    const text = mailMessage([anAlert({ title: `${HOSTILE}\r\nBcc: x@y`.repeat(3), message: 'z'.repeat(5000) })], {
      from: 'a@b.c',
      to: ['d@e.f'],
    });
    const lines = text.split('\r\n');
    expect(lines.every((line) => line.length <= 78 && !/[\r\n]/.test(line))).toBe(true);
    expect(lines.filter((line) => /^bcc/i.test(line))).toEqual([]);
    expect(lines.filter((line) => /^[A-Z][\w-]*:/.test(line)).map((line) => line.split(':')[0])).toEqual([
      'From',
      'To',
      'Subject',
      'Date',
      'Message-ID',
      'MIME-Version',
      'Content-Type',
      'Content-Transfer-Encoding',
      'Auto-Submitted',
    ]);
  });
});

describe('wrong options', () => {
  it('get a sentence', () => {
    expect(() => email({ to: '-oQ/tmp' })).toThrow(/^email: to: expected an address such as/);
    expect(() => email({ to: 'a@b.c,', server: 'smtp://x' })).toThrow(/to: expected an address/);
    expect(() => email({ to: 'a@b.c', server: 'http://x' })).toThrow(/expected a server such as smtp:/);
    expect(() => email({ to: 'a@b.c', server: 'smtp://u:p@x' })).toThrow(/without a login/);
    expect(() => email({ to: 'a@b.c', server: 'smtp://x', user: 'u' })).toThrow(/both a user and a password/);
    expect(() => email({ to: 'a@b.c', server: 'smtp://x', ca: '/nonexistent' })).toThrow(/there is no such file/);
    expect(() => email({ to: 'a@b.c', from: 'x\r\ny@z', server: 'smtp://x' })).toThrow(/from: expected/);
  });
});

describe.skipIf(smtpUnavailable())('a real mail server', () => {
  const start = async (options: { secure?: boolean } = {}) => {
    const server = await RealSmtp.start(options);
    closing.push(() => server.stop());
    return server;
  };

  it('gets one mail for the first alert, and one for those of the following minute', async () => {
    const server = await start();
    const sink = email({ to: 'ops@example.org', server: server.url, everyMs: 1_000 });
    const lane = new Lane({ sink }, () => {});
    const alerts = Array.from({ length: 12 }, (_, i) =>
      anAlert({ title: `kill ${i} ü`, severity: i === 7 ? 'critical' : 'warning' }),
    );
    lane.offer(alerts[0] as (typeof alerts)[0]);
    await until(() => server.mails.length === 1);
    for (const alert of alerts.slice(1)) lane.offer(alert);
    await until(() => server.mails.length === 2, 20_000);
    const [first, second] = server.mails as [(typeof server.mails)[0], (typeof server.mails)[0]];
    expect(first.headers.Subject).toBe('[oomscope] WARNING: kill 0 ü');
    expect(second.headers.Subject).toBe('[oomscope] 11 alerts, CRITICAL: kill 7 ü');
    for (let i = 1; i < 12; i++) expect(second.body).toContain(`kill ${i} ü`);
    expect([...first.defects, ...second.defects]).toEqual([]);
    expect(lane.counts).toMatchObject({ delivered: 12, waiting: 0 });
    await lane.close(1_000);
  });

  it('with STARTTLS gets the login and the mail within TLS, by a certificate that the user trusts', async () => {
    const server = await start({ secure: true });
    const options = { to: 'ops@example.org', server: server.url, ...LOGIN };
    expect(await email({ ...options, ca: server.certificate }).deliver(anAlert(), never)).toMatchObject({
      outcome: 'delivered',
    });
    await until(() => server.mails.length === 1);
    expect(server.mails[0]).toMatchObject({ tls: true, to: ['ops@example.org'] });
    const untrusted = await email(options).deliver(anAlert(), never);
    expect(untrusted).toMatchObject({ outcome: 'retry', reply: expect.stringMatching(/self.signed/) });
    const wrong = await email({ ...options, ca: server.certificate, password: 'wrong secret' }).deliver(
      anAlert(),
      never,
    );
    expect(wrong).toMatchObject({ outcome: 'retry', reply: expect.stringMatching(/^535 /) });
    expect(wrong.reply).not.toContain('secret');
    expect(server.mails).toHaveLength(1);
  });

  it('that does not know one address sends to the others; that knows none refuses', async () => {
    const server = await start();
    const to = (addresses: string) => email({ to: addresses, server: server.url }).deliver(anAlert(), never);
    expect(await to('unknown@example.org,ops@example.org')).toMatchObject({ outcome: 'delivered' });
    expect(server.mails[0]?.to).toEqual(['ops@example.org']);
    expect(await to('unknown@example.org')).toMatchObject({ outcome: 'refused', reply: '550 no such user' });
  });
});

describe('a hostile mail server', () => {
  /** Answers each line of the client by a function. */
  const serve = async (answer: (line: string, socket: Socket) => string | undefined, greeting = '220 hi\r\n') => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write(greeting);
      socket.setEncoding('utf8').on('data', (text: string) => {
        for (const line of text.split('\r\n').filter(Boolean)) socket.write(answer(line, socket) ?? '');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    return (server.address() as { port: number }).port;
  };
  const deliver = (port: number, more = {}, signal = AbortSignal.timeout(5_000)) =>
    email({ to: 'a@b.c', server: `smtp://127.0.0.1:${port}`, ...more }).deliver(anAlert(), signal);

  it('that puts answers before TLS, answers without end, or closes, gets no mail', async () => {
    const injecting = await serve((line) =>
      line.startsWith('EHLO')
        ? '250-hi\r\n250 STARTTLS\r\n'
        : line === 'STARTTLS'
          ? '220 go\r\n250 forged\r\n'
          : undefined,
    );
    expect(await deliver(injecting)).toMatchObject({
      outcome: 'retry',
      reply: expect.stringContaining('more than an answer'),
    });
    const endless = await serve(() => `250-${'x'.repeat(100_000)}`);
    expect(await deliver(endless)).toMatchObject({ outcome: 'retry', reply: expect.stringContaining('too long') });
    const closed = await serve((_, socket) => void socket.end());
    expect(await deliver(closed)).toMatchObject({
      outcome: 'retry',
      reply: expect.stringContaining('closed the connection'),
    });
    const silent = await serve(() => undefined, '');
    expect(await deliver(silent, {}, AbortSignal.timeout(100))).toMatchObject({
      outcome: 'retry',
      reply: 'no answer in time',
    });
  });

  it('that repeats the login in its answer does not make it public', async () => {
    const port = await serve((line) =>
      line.startsWith('EHLO') ? '250-hi\r\n250 AUTH PLAIN LOGIN\r\n' : `535 no: ${line} hunter22secret\r\n`,
    );
    const { reply } = await deliver(port, { user: 'me', password: 'hunter22secret' });
    expect(reply).toMatch(/^535 no: AUTH PLAIN …/);
    expect(reply).not.toMatch(/hunter22secret|aHVudGVyMjJzZWNyZXQ/);
  });

  it('busy asks for later, and one that refuses is believed', async () => {
    const answering = (code: string) =>
      serve((line) =>
        line.startsWith('EHLO') ? '250 hello\r\n' : line.startsWith('MAIL') ? `${code} so\r\n` : '250 ok\r\n',
      );
    expect(await deliver(await answering('451'))).toMatchObject({ outcome: 'retry' });
    expect(await deliver(await answering('554'))).toMatchObject({ outcome: 'refused' });
  });
});

describe('sendmail', () => {
  it('gets the mail on standard input, and its exit status decides', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-sendmail-'));
    closing.push(() => rmSync(directory, { recursive: true }));
    const program = join(directory, 'sendmail');
    const write = (status: number) => {
      writeFileSync(
        program,
        `#!/bin/sh\nprintf '%s\\n' "$@" >'${directory}/args'\ncat >'${directory}/mail'\nexit ${status}\n`,
      );
      chmodSync(program, 0o755);
    };
    write(0);
    const sink = email({ to: 'root,ops@example.org', from: 'me@host', sendmail: program });
    expect(await sink.deliver(anAlert({ title: 'hello' }), never)).toMatchObject({ outcome: 'delivered' });
    expect(readFileSync(join(directory, 'args'), 'utf8')).toBe('-i\n-f\nme@host\n--\nroot\nops@example.org\n');
    expect(readFileSync(join(directory, 'mail'), 'utf8')).toMatch(
      /^From: me@host\nTo: root, ops@example.org\nSubject: \[oomscope\] WARNING: hello\n/,
    );
    write(75);
    expect(await sink.deliver(anAlert(), never)).toMatchObject({ outcome: 'retry' });
    write(67);
    expect(await sink.deliver(anAlert(), never)).toMatchObject({ outcome: 'refused' });
  });
});
