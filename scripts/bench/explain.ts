/**
 * Measures how fast `oomscope explain` reads a large log: one GiB with 1,000 reports of the corpus among ordinary
 * lines, compared with `grep -c "Killed process"` and Node's readline on the same file.
 */
import { spawn } from 'node:child_process';
import { closeSync, globSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';

const { values: options } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    reports: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    directory: { type: 'string', default: tmpdir() },
    json: { type: 'string' },
  },
});
const GOAL = { bytesPerSecond: 200e6, shareOfGrep: 1 / 2, rssBytes: 150 * 2 ** 20 };
const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'dist/cli/main.js');
const size = Number(options.mib) * 2 ** 20;
const reports = Number(options.reports);

const services = [
  'sshd',
  'systemd',
  'dockerd',
  'kubelet',
  'containerd',
  'postgres',
  'nginx',
  'CRON',
  'NetworkManager',
  'kernel',
];
const messages = [
  'Accepted publickey for deploy from 10.20.30.40 port 51234 ssh2: ED25519 SHA256',
  'Started session scope of user deploy, see systemctl status for more, id',
  'time="2026-11-01T10:11:12Z" level=info msg="ignoring event" module=libcontainerd namespace=moby topic=/tasks/delete',
  'connection received: host=10.20.30.41 port=40404 process title not set, backend',
  'audit: type=1400 apparmor="ALLOWED" operation="open" profile="/usr/sbin/cups-browsed" name="/etc/room" pid=',
  'IPVS: rr: TCP 10.96.0.1:443 - no destination available, flow',
  'GET /healthz HTTP/1.1 200 17 "-" "kube-probe/1.31" request',
  'device veth entered promiscuous mode, bridge port state forwarding, ifindex',
  'Memory usage of pod is within its limit, nothing to do, generation',
  'oom_score_adj of the new process was set to 999 by the kubelet, container',
];

interface Run {
  seconds: number;
  /** Peak of the sampled resident memory. */
  rssBytes: number;
  output: string;
}

const where = circumstances();
const directory = mkdtempSync(join(options.directory, 'oomscope-bench-'));
const log = join(directory, 'kern.log');
try {
  const room = statfsSync(directory);
  if (room.bavail * room.bsize < size * 1.1)
    throw new Error(`${directory} has no room for ${options.mib} MiB: see --directory`);
  say(`writing ${options.mib} MiB with ${reports} reports`);
  const kills = writeLog();
  const rivals: Record<string, { command: string[]; runs: Run[] }> = {
    'grep -c "Killed process"': { command: ['grep', '-c', 'Killed process', log], runs: [] },
    'Node readline': {
      command: [process.execPath, join(import.meta.dirname, 'rivals/readline-count.ts'), log],
      runs: [],
    },
    'oomscope explain --json': { command: [process.execPath, MAIN, 'explain', '--json', log], runs: [] },
  };
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const [name, { command, runs }] of Object.entries(rivals)) {
      // The output is checked once before it is timed.
      if (round < 0) check(name, (await measure(command, true)).output, kills);
      else runs.push(await measure(command, false));
    }
  }
  where.load_after = circumstances().load_before;
  print(rivals);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/**
 * Writes real reports in syslog's form, evenly among lines of services.
 *
 * @returns the number of lines with "Killed process"
 */
function writeLog(): number {
  const corpus = globSync('test/fixtures/oom-logs/*/*.kmsg', { cwd: ROOT })
    .filter((file) => !/storm|no-killable/.test(file))
    .sort()
    .map((file) => bodies(readFileSync(join(ROOT, file), 'latin1')));
  const fd = openSync(log, 'w');
  const gap = size / reports;
  let kills = 0;
  let written = 0;
  let second = 0;
  for (let i = 0; i < reports; i++) {
    const lines = corpus[i % corpus.length] as string[];
    kills += lines.filter((line) => line.includes('Killed process')).length;
    const report = lines
      .map((line) => `${stamp(second)} node-7 kernel: [${(second + 0.5).toFixed(6)}] ${line}\n`)
      .join('');
    written += writeSync(fd, report, null, 'latin1');
    while (written < (i + 1) * gap) {
      second += 10;
      written += writeSync(fd, ordinary(second), null, 'latin1');
    }
  }
  closeSync(fd);
  return kills;
}

/** The text of each record; a line feed in it makes a new line, as in syslog. */
function bodies(records: string): string[] {
  return records
    .split('\n')
    .filter((record) => /^\d+,/.test(record))
    .flatMap((record) => record.replace(/^[^;]*;/, '').split('\\x0a'));
}

function stamp(second: number): string {
  return new Date(Date.UTC(2026, 10, 1) + second * 1000).toISOString().replace('Z', '+00:00');
}

/** Returns about 64 KiB of log lines that are not from an OOM. */
function ordinary(second: number): string {
  const lines: string[] = [];
  for (let i = 0, length = 0; length < 65536; i++) {
    const n = second * 977 + i * 131;
    const line = `${stamp(second + i / 60)} node-7 ${services[n % services.length]}[${1000 + (n % 30000)}]: ${messages[n % messages.length]} ${(n * 2654435761).toString(16)}\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('');
}

async function measure(command: string[], look: boolean): Promise<Run> {
  const [program = '', ...words] = command;
  const begin = process.hrtime.bigint();
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let rssBytes = 0;
  const timer = setInterval(() => {
    try {
      const kib = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      rssBytes = Math.max(rssBytes, Number(kib ?? 0) * 1024);
    } catch {
      // The process has ended.
    }
  }, 5);
  let kills = 0;
  let output = '';
  // The output goes to a pipe and is read, because grep stops at the first match if its output is /dev/null.
  child.stdout.on('data', (chunk: Buffer) => {
    if (!look) return;
    const text = chunk.toString('latin1');
    kills += text.split('"type":"oom.report"').length - 1;
    output = output.length < 100 ? output + text : output;
  });
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  return { seconds, rssBytes, output: kills > 0 ? String(kills) : output.trim() };
}

/** Checks the output, because a fast run with wrong output does not count. */
function check(name: string, output: string, kills: number): void {
  const expected = name.startsWith('oomscope') ? reports : kills;
  const fine = name.startsWith('oomscope') ? Number(output) >= expected : Number(output) === expected;
  if (!fine) throw new Error(`${name}: expected ${expected}, got ${output}`);
}

function print(rivals: Record<string, { runs: Run[] }>): void {
  const rows = Object.entries(rivals).map(([name, { runs }]) => ({
    name,
    bytes_per_second: summarize(runs.map(({ seconds }) => size / seconds)),
    seconds: summarize(runs.map(({ seconds }) => seconds)),
    rss_bytes: Math.max(...runs.map(({ rssBytes }) => rssBytes)),
    runs,
  }));
  const lines = rows.map(({ name, bytes_per_second: rate, seconds, rss_bytes }) => [
    name,
    `${Math.round((rate?.p50 ?? 0) / 1e6)} MB/s`,
    `${Math.round((rate?.max ?? 0) / 1e6)} MB/s`,
    `${seconds?.p50.toFixed(2)} s`,
    `${Math.round(rss_bytes / 2 ** 20)} MiB`,
  ]);
  process.stdout.write(
    `${inWords(where)}\n${options.mib} MiB, ${reports} reports, ${options.rounds} rounds, start-up included\n\n`,
  );
  process.stdout.write(`${table([['', 'p50', 'best', 'p50', 'most resident'], ...lines])}\n`);
  const [grep, , own] = rows;
  const rate = own?.bytes_per_second?.p50 ?? 0;
  const share = rate / (grep?.bytes_per_second?.p50 ?? 1);
  const goal = (words: string, met: boolean) => process.stdout.write(`Goal: ${words}: ${met ? 'met' : 'NOT met'}.\n`);
  goal(`200 MB/s, measured ${Math.round(rate / 1e6)}`, rate >= GOAL.bytesPerSecond);
  goal(`half of grep, measured ${share.toFixed(2)} of it`, share >= GOAL.shareOfGrep);
  goal(
    `under 150 MiB resident, measured ${Math.round((own?.rss_bytes ?? 0) / 2 ** 20)}`,
    (own?.rss_bytes ?? 0) < GOAL.rssBytes,
  );
  writeJson(options.json, { benchmark: 'explain', unit: 'bytes per second', ...where, log_bytes: size, reports, rows });
}
