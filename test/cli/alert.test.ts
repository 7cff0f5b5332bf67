/** `oomscope alert test`, `--alert`, and their errors for sinks with wrong options. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sinkKinds } from '../../src/alerts/sink-table.ts';
import { Receiver } from '../alerts/receiver.ts';
import { MAIN, oomscope } from './cli.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-alert-'));
  writeFileSync(join(directory, 'not-a-program'), '');
  writeFileSync(join(directory, 'empty'), '', { mode: 0o600 });
  writeFileSync(join(directory, 'open'), 'http://localhost/T0K3N');
  chmodSync(join(directory, 'open'), 0o644);
  execFileSync('mkfifo', [join(directory, 'fifo')]);
});
afterAll(() => rmSync(directory, { recursive: true }));
const inside = (text: string) => text.replaceAll('DIR', directory);

describe('a wrong sink is reported before a BPF program is attached', () => {
  it.each([
    ['webhok=https://example.org', 'There is no sink "webhok". Did you mean "webhook"?'],
    ['carrier-pigeon', `Expected one of ${Object.keys(sinkKinds).join(', ')}.`],
    ['__proto__=x', 'There is no sink "__proto__"'],
    ['webhook', 'webhook: expected webhook=URL, got no URL.'],
    [
      'webhook=example.org/T0K3N',
      'webhook: expected a URL that begins with https:// or http://, got something that is not',
    ],
    [
      'slack=ftp://example.org/T0K3N',
      'slack: expected a URL that begins with https:// or http://, got one that begins with ftp:',
    ],
    ['slack=@DIR/missing', 'slack URL: cannot read DIR/missing: there is no such file.'],
    ['slack=@/dev/zero', 'slack URL: cannot read /dev/zero: expected a regular file, got a device.'],
    ['slack=@DIR/fifo', 'slack URL: cannot read DIR/fifo: expected a regular file, got a FIFO.'],
    [
      'slack=@DIR/open',
      'slack URL: cannot read DIR/open: other users can read it (mode 644): chmod 600 DIR/open, or defaultMode: 0400 of a mounted Secret.',
    ],
    ['webhook=http://localhost/T0K3N key-file=DIR/open', 'cannot read DIR/open: other users can read it (mode 644)'],
    ['slack=@DIR/empty', 'slack URL: expected a secret in DIR/empty, which is empty.'],
    ['webhook=http://localhost/T0K3N kye-env=A', 'there is no setting "kye-env". Did you mean "key-env"?'],
    [
      'webhook=http://localhost/T0K3N key-env=OOMSCOPE_NO_KEY',
      'the environment variable OOMSCOPE_NO_KEY, which is not set.',
    ],
    [
      'webhook=http://localhost/T0K3N level=fatal',
      'webhook level: expected one of info, warning, critical, got "fatal".',
    ],
    ['webhook=http://localhost/T0K3N timeout=soon', 'webhook timeout: expected a time such as'],
    ['webhook=http://localhost/T0K3N keep=3', 'webhook: expected no "keep": this sink has no such option.'],
    ['webhook=http://localhost/T0K3N spool=/no/such/place', 'spool: cannot make /no/such/place: ENOENT'],
    ['pagerduty=http://localhost/', 'pagerduty: expected the integration key of the service, as routing-key-file=PATH'],
    ['journald=x', 'journald: expected the name alone, got a target: remove it.'],
    ['exec=DIR/not-a-program', 'exec: expected an executable program, got "DIR/not-a-program": it is not executable.'],
    ['exec=DIR', 'got "DIR", which is not a file.'],
    ['exec=handler', 'got "handler", which is not in PATH.'],
    [
      'file=/no/such/place',
      'file: expected a path in an existing directory, got "/no/such/place": make /no/such first.',
    ],
    ['file=DIR', 'file: "DIR": expected a regular file, got a directory.'],
    ['file=DIR/x size=0B', 'file size: expected a value from 1K to 1T, got "0B".'],
    ['file=DIR/x size=1K keep=none', 'file keep: expected a whole number from 0 to 1000, got "none".'],
  ])('%s', async (sink, part) => {
    const { code, stdout, stderr } = await oomscope(['alert', 'test', inside(sink)]);
    expect(stderr).toMatch(/^oomscope: [^\n]+\.?\n$/);
    expect(stderr).toContain(inside(part));
    expect(stderr).not.toContain('T0K3N');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('traces nothing', async () => {
    const { code, stdout, stderr } = await oomscope([
      'trace',
      '--json',
      '--alert',
      'exec=cat',
      '--alert',
      'exec=/nowhere',
    ]);
    expect(stderr).toBe('oomscope: exec: expected an executable program, got "/nowhere": there is no such file.\n');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it.each([
    [['alert'], 'Expected an action of `oomscope alert`: test; got nothing.'],
    [['alert', 'tset', 'journald'], 'got "tset"'],
    [['alert', 'test'], 'Expected 1 SINK, got none.'],
    [['alert', 'test', 'a', 'b'], 'Expected 1 SINK, got 2.'],
    [['alert', 'test', 'journald', '--yaml'], '"--yaml"'],
  ])('%j', async (args, part) => {
    const { code, stderr } = await oomscope(args);
    expect(stderr).toContain(part);
    expect(code).toBe(2);
  });
});

describe('oomscope alert test', () => {
  it('prints the outcome and the duration of the firing and the resolved alert', async () => {
    const path = join(directory, 'alerts.jsonl');
    const { code, stdout, stderr } = await oomscope(['alert', 'test', `file=${path}`]);
    expect(stdout).toMatch(
      /^file .*: A test of oomscope on .*\nfiring {4}delivered in [\d.]+ ms: \d+ B written\nresolved {2}delivered in [\d.]+ ms: \d+ B written\n$/,
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
    // biome-ignore format: short
    const written = readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
    expect(written.map(({ status, name }) => [status, name])).toEqual([
      ['firing', 'OomscopeTest'],
      ['resolved', 'OomscopeTest'],
    ]);
  });

  it('does not wait for the minute between two mails', async () => {
    const { code, stdout } = await oomscope(['alert', 'test', 'email=ops@example.org server=smtp://127.0.0.1:1']);
    expect(stdout).toMatch(/^email ops@example.org: A test .*\nfiring {4}failed in .*\nresolved {2}failed in .*\n$/);
    expect(code).toBe(1);
  });

  it('never prints a secret', async () => {
    const receiver = await Receiver.start();
    const url = `${receiver.url.replace('//', '//user:T0K3N@')}/T0K3N?T0K3N`;
    process.env.OOMSCOPE_TEST_KEY = 'T0K3N';
    const sink = `webhook=${url} key-env=OOMSCOPE_TEST_KEY token-env=OOMSCOPE_TEST_KEY`;
    receiver.answer = (response) => response.writeHead(403).end('no');
    const refused = await oomscope(['alert', 'test', sink]);
    expect(refused.stdout).toMatch(/firing {4}refused in [\d.]+ ms: 403 Forbidden \(no\)\n/);
    expect(refused.code).toBe(1);
    expect(receiver.received[0]?.path).toBe('/T0K3N?T0K3N');
    await receiver.down();
    const away = await oomscope(['alert', 'test', '--json', sink]);
    delete process.env.OOMSCOPE_TEST_KEY;
    expect(away.code).toBe(1);
    const told = JSON.parse(away.stdout);
    expect(told).toMatchObject({
      sink: `webhook ${receiver.url}/…`,
      steps: [
        { status: 'firing', outcome: 'retry', alert: { name: 'OomscopeTest' } },
        { status: 'resolved', outcome: 'retry' },
      ],
    });
    expect(told.steps[0].reply).toMatch(/^connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
    for (const { stdout, stderr } of [refused, away]) expect(stdout + stderr).not.toContain('T0K3N');
  });

  it('does not use the spool', async () => {
    const receiver = await Receiver.start();
    const spool = join(directory, 'spool');
    const { code } = await oomscope(['alert', 'test', `webhook=${receiver.url} spool=${spool}`]);
    await receiver.down();
    expect(code).toBe(0);
    expect(receiver.received).toHaveLength(2);
    expect(existsSync(join(spool, 'lock'))).toBe(false);
  });

  it('passes arguments to a program without a shell', async () => {
    const path = join(directory, 'args');
    const args = ['-c', 'printf "%s|" "$@" >"$0"', path, '$(id)', 'two words', '"'];
    const { code } = await oomscope([
      'alert',
      'test',
      `exec=sh ${args.map((arg) => `arg=${arg}`).join(' ')} every=1ms`,
    ]);
    expect(code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('$(id)|two words|"|');
  });

  it('speaks TLS, and refuses an unknown certificate', async () => {
    const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(directory, name)) as [string, string];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', certificate];
    execFileSync('openssl', [...made, ...subject], { stdio: 'ignore' });
    const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, response) =>
      response.writeHead(202).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const sink = `webhook=https://localhost:${(server.address() as AddressInfo).port}/`;
    const stranger = await oomscope(['alert', 'test', sink]);
    expect(stranger.stdout).toMatch(/firing {4}failed in [\d.]+ ms: .*self-signed certificate/);
    const friend = await oomscope(
      ['alert', 'test', sink],
      ['env', `NODE_EXTRA_CA_CERTS=${certificate}`, process.execPath, MAIN],
    );
    expect(friend.stdout).toMatch(/firing {4}delivered in [\d.]+ ms: 202 Accepted\n/);
    expect(friend.code).toBe(0);
    server.close();
  });
});
