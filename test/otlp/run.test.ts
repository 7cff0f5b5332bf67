/** `oomscope run` with a section [otlp]. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Receiver, until } from '../alerts/receiver.ts';
import { ended, MAIN, oomscope } from '../cli/cli.ts';
import { holdMemory } from '../memory-holder.ts';

interface MetricsBody {
  resourceMetrics: {
    resource: { attributes: { key: string }[] };
    scopeMetrics: {
      metrics: { name: string; sum?: { dataPoints: { attributes: { value: { stringValue: string } }[] }[] } }[];
    }[];
  }[];
}

it('refuses a file with headers that other users can read', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-otlp-'));
  try {
    const [file, headers] = [join(directory, 'oomscope.toml'), join(directory, 'headers')];
    writeFileSync(headers, 'api-key=T0K3N');
    chmodSync(headers, 0o644);
    const otlp = `[otlp]\nendpoint = "http://127.0.0.1:1"\nheaders_file = "${headers}"\n`;
    writeFileSync(file, `[trace]\nenabled = false\n[pressure]\nenabled = false\n[guard]\n${otlp}`);
    const { code, stderr } = await oomscope(['run', '--config', file]);
    expect(stderr).toContain(`otlp headers: cannot read ${headers}: other users can read it (mode 644): chmod 600`);
    expect(stderr).not.toContain('T0K3N');
    expect(code).toBe(2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('sends metrics at the interval and at the end, of its alerts, too, and a guard’s events as logs', async () => {
  using _held = await holdMemory();
  const receiver = await Receiver.start();
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-otlp-'));
  const file = join(directory, 'oomscope.toml');
  writeFileSync(
    file,
    `[trace]
enabled = false
[pressure]
enabled = false
[otlp]
endpoint = "${receiver.url}"
protocol = "http/json"
gzip = false
every = "1s"
[[alert]]
sink = "file"
target = "${directory}/alerts.jsonl"
[guard]
[[guard.rule]]
name = "always"
when = ["growth < 1T/s"]
min_size = "0"
`,
  );
  const child = spawn(process.execPath, [MAIN, 'run', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const end = ended(child);
  try {
    const at = (path: string) => receiver.received.filter((each) => each.path === path);
    await until(
      () => at('/v1/metrics').length > 0 && at('/v1/logs').some(({ body }) => body.includes('oomscope.guard.plan')),
      60_000,
    );
    const before = at('/v1/metrics').length;
    child.kill('SIGTERM');
    expect((await end).code).toBe(0);
    expect(at('/v1/metrics').length).toBeGreaterThan(before);
    const last = JSON.parse(at('/v1/metrics').at(-1)?.body ?? '') as MetricsBody;
    const metrics = last.resourceMetrics[0]?.scopeMetrics[0]?.metrics ?? [];
    expect(metrics.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'oomscope.guard_plans',
        'oomscope.guard_enforcing',
        'oomscope.alerts',
        'oomscope.build_info',
      ]),
    );
    expect(last.resourceMetrics[0]?.resource.attributes.map(({ key }) => key)).toContain('service.name');
  } finally {
    child.kill('SIGKILL');
    await end;
    await receiver.down();
    rmSync(directory, { recursive: true });
  }
});
