/** The configurations in docs/recipes. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.ts';
import { recordings } from '../../src/testing/index.ts';
import { until } from '../alerts/receiver.ts';
import { ROOT } from '../cli/cli.ts';

const RECIPES = join(ROOT, 'docs/recipes');
const read = (name: string) => readFileSync(join(RECIPES, name), 'utf8');

describe('the recipes', () => {
  it('are all listed, and those that were not run say so', () => {
    const index = read('README.md');
    const rows = index.split('\n').filter((line) => line.startsWith('| ') && line.includes(']('));
    for (const name of readdirSync(RECIPES).filter((each) => each !== 'README.md')) {
      expect(index, name).toContain(`](${name})`);
      const row = rows.find((line) => line.includes(`](${name})`));
      if (row) expect(read(name).includes('Not run here'), name).toBe(row.includes('| not run |'));
    }
  });

  it('have a configuration of oomscope without faults', async () => {
    expect((await readConfig(join(RECIPES, 'journald.toml'))).alert).toEqual([{ sink: 'journald' }]);
  });
});

const PACKAGES = join(ROOT, 'build/test-packages/usr');
const PROGRAM = join(PACKAGES, 'sbin/rsyslogd');
const libraries = existsSync(join(PACKAGES, 'lib'))
  ? readdirSync(join(PACKAGES, 'lib')).map((name) => join(PACKAGES, 'lib', name))
  : [];
const modules = libraries
  .map((path) => join(path, 'rsyslog'))
  .find((path) => existsSync(join(path, 'omelasticsearch.so')));

describe.skipIf(!existsSync(PROGRAM) || modules === undefined)('rsyslogd', () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-rsyslog-'));
  const file = join(directory, 'events.jsonl');
  const stored = new Map<string, { index: string; text: string }>();
  let server: Server;
  let rsyslogd: ChildProcess;

  /** In the place of Elasticsearch: it keeps the documents of `_bulk`, and refuses an id that it has, as `create` demands. */
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const lines = Buffer.concat(chunks).toString().split('\n');
      const items = [];
      for (let i = 0; i + 1 < lines.length && request.url?.includes('_bulk'); i += 2) {
        const { create } = JSON.parse(lines[i] as string) as { create: { _index: string; _id: string } };
        const isNew = !stored.has(create._id);
        if (isNew) stored.set(create._id, { index: create._index, text: lines[i + 1] as string });
        items.push({ create: { _id: create._id, status: isNew ? 201 : 409 } });
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ errors: items.some(({ create }) => create.status !== 201), items }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const recipe = read('rsyslog-elasticsearch.conf')
      .replace('/var/log/oomscope/events.jsonl', file)
      .replace('serverport="9200"', `serverport="${port}"`);
    expect(recipe).toContain(file);
    mkdirSync(join(directory, 'work'));
    writeFileSync(join(directory, 'rsyslog.conf'), `global(workDirectory="${directory}/work")\n${recipe}`);
    writeFileSync(file, '');
    rsyslogd = spawn(PROGRAM, ['-n', '-f', join(directory, 'rsyslog.conf'), '-i', join(directory, 'pid')], {
      env: { ...process.env, RSYSLOG_MODDIR: modules as string, LD_LIBRARY_PATH: libraries.join(':') },
      stdio: 'ignore',
    });
  });

  afterAll(async () => {
    const gone = new Promise((resolve) => rsyslogd.once('exit', resolve));
    rsyslogd.kill('SIGKILL');
    await gone;
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  });

  it('stores each event once, under its own id, unchanged', async () => {
    const events = [...recordings.containerKill, ...recordings.groupKill, ...recordings.pressureEpisode];
    await until(() => existsSync(join(directory, 'pid')), 30_000);
    for (const event of [...events, ...events.slice(0, 3)]) appendFileSync(file, `${JSON.stringify(event)}\n`);
    appendFileSync(file, 'no JSON\n');
    const ids = new Set(events.map(({ id }) => id));
    await until(() => stored.size >= ids.size, 30_000);
    expect(new Set(stored.keys())).toEqual(ids);
    for (const event of events) {
      const { index, text } = stored.get(event.id) as { index: string; text: string };
      expect(JSON.parse(text)).toEqual(event);
      expect(index).toBe(`oomscope-${event.time.slice(0, 10)}`);
    }
  });
});
