/** What the server of the page refuses, and what it sends without a browser. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Listener } from '../../src/http/listener.ts';
import { makeToken } from '../../src/http/token.ts';
import { Web } from '../../src/web/open.ts';
import { oomscope, ROOT } from '../cli/cli.ts';
import { aKill, aReaped } from '../history/made-events.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-web-'));
const token = makeToken();
const page = readFileSync(join(ROOT, 'dist/cli/web.html'), 'utf8');
let listener: Listener;
let web: Web;

beforeAll(async () => {
  listener = await Listener.open({ address: { host: '127.0.0.1', port: 0 }, token });
  web = new Web({ listener, page, historyPath: undefined, live: true, guard: null });
  web.start();
});

afterAll(async () => {
  await listener.close();
  await web.close();
  rmSync(directory, { recursive: true });
});

function get(path: string, headers: Record<string, string> = { Authorization: `Bearer ${token}` }) {
  return new Promise<{ status: number; body: string; headers: Record<string, unknown> }>((resolve, reject) => {
    request(`${listener.url}${path}`, { headers }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    })
      .once('error', reject)
      .end();
  });
}

it('is one page below 150 kB with a policy that allows its own script alone', async () => {
  const { status, body, headers } = await get('/', {});
  expect(status).toBe(200);
  expect(Buffer.byteLength(body)).toBeLessThan(150_000);
  const policy = String(headers['content-security-policy']);
  expect(policy).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'/,
  );
  expect(policy).toContain("frame-ancestors 'none'");
  expect(body).not.toMatch(/\b(?:src|href)\s*=\s*["']?(?:https?:)?\/\//);
});

it('sends data only with the token, to its own host and origin', async () => {
  for (const path of ['/api/about', '/api/list', '/api/story?id=x', '/api/stats', '/api/stream']) {
    expect((await get(path, {})).status, path).toBe(401);
    expect((await get(path, { Authorization: 'Bearer wrong' })).status, path).toBe(401);
  }
  const authorization = { Authorization: `Bearer ${token}` };
  expect((await get('/api/about', { ...authorization, Host: 'evil.example' })).status).toBe(403);
  expect((await get('/api/about', { ...authorization, Origin: 'http://evil.example' })).status).toBe(403);
  expect((await get('/api/about')).status).toBe(200);
});

it('answers a wrong query with a sentence, and keeps the last events without a history', async () => {
  for (const query of ['limit=0', 'limit=501', 'kind=nothing', 'id=']) {
    const path = query.startsWith('id') ? '/api/story' : '/api/list';
    const { status, body } = await get(`${path}?${query}`);
    expect(status, query).toBe(400);
    expect(JSON.parse(body).problem).toContain('expected');
  }
  const kill = aKill();
  web.take(kill);
  web.take(aReaped(kill));
  const { rows } = JSON.parse((await get('/api/list')).body);
  expect(rows.map(({ id }: { id: string }) => id)).toEqual([kill.id]);
  const story = JSON.parse((await get(`/api/story?id=${kill.id}`)).body);
  expect(story.parts).toHaveLength(2);
  expect((await get('/api/story?id=nothing')).status).toBe(404);
});

it('replays what a browser missed by the id of its last event', async () => {
  const [first, second] = [aKill(), aKill()];
  web.take(first);
  web.take(second);
  const text = await new Promise<string>((resolve, reject) => {
    const headers = { Authorization: `Bearer ${token}`, 'Last-Event-ID': first.id };
    const stream = request(`${listener.url}/api/stream`, { headers }, (response) => {
      let seen = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        seen += part;
        if (!seen.includes(second.id)) return;
        resolve(seen);
        stream.destroy();
      });
    }).once('error', reject);
    stream.end();
  });
  expect(text).toMatch(/^event: now\ndata: \{"machine":/);
  expect(text).toContain(`id: ${second.id}\nevent: row\n`);
  expect(text).not.toContain(`id: ${first.id}\n`);
});

it('says what is wrong with an address, a token file and a history', async () => {
  const failing = async (...args: string[]) => {
    const { code, stderr } = await oomscope(['web', '--duration', '1s', ...args]);
    return `${code} ${stderr}`;
  };
  const { port } = new URL(listener.url);
  expect(await failing('--listen', `127.0.0.1:${port}`)).toMatch(/^69 .*another program listens on port/s);
  expect(await failing('--listen', '0.0.0.0:0')).toMatch(/^2 .*give --token-file/s);
  expect(await failing('--token-file', join(directory, 'none'))).toMatch(
    /^2 .* --token-file: .*there is no such file/s,
  );
  const wrong = join(directory, 'wrong.db');
  writeFileSync(wrong, 'no database '.repeat(500));
  expect(await failing('--listen', '127.0.0.1:0', '--path', wrong)).toMatch(
    /^0 .*cannot show past kills\. .*not a database/s,
  );
  expect(await failing('--path', join(directory, 'none.db'))).toMatch(/^66 .*There is no history/s);
});
