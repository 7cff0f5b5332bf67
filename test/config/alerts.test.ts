/** Reads [[alert]] sections into options of sinks, and writes them back. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { writeConfig } from '../../src/config/write.ts';

const EVERYTHING = `
[[alert]]
sink = "webhook"
target = "@/etc/oomscope/url"
level = "critical"
spool = "/var/lib/oomscope/webhook"
spool_size = "8M"
timeout = "5s"
key_env = "HOOK_KEY"
token_file = "/etc/oomscope/token"

[[alert]]
sink = "exec"
target = "/usr/local/bin/page"
args = ["--team", "db"]
every = "30s"

[[alert]]
sink = "file"
target = "/var/log/oomscope/alerts.jsonl"
size = "1M"
keep = 0

[[alert]]
sink = "journald"
`;

describe('[[alert]]', () => {
  it('is read into the options that openSink() takes', async () => {
    const { alert } = await parseConfig(EVERYTHING, 'x.toml');
    expect(alert).toEqual([
      {
        sink: 'webhook',
        target: '@/etc/oomscope/url',
        minimum: 'critical',
        spool: '/var/lib/oomscope/webhook',
        spoolBytes: 8 * 2 ** 20,
        timeoutMs: 5_000,
        key: { env: 'HOOK_KEY' },
        token: { file: '/etc/oomscope/token' },
      },
      { sink: 'exec', target: '/usr/local/bin/page', args: ['--team', 'db'], everyMs: 30_000 },
      { sink: 'file', target: '/var/log/oomscope/alerts.jsonl', mostBytes: 2 ** 20, keep: 0 },
      { sink: 'journald' },
    ]);
    expect((await parseConfig('', 'x.toml')).alert).toEqual([]);
  });

  it('is written back unchanged', async () => {
    const config = await parseConfig(EVERYTHING, 'x.toml');
    expect(await parseConfig(writeConfig(config), 'y.toml')).toEqual(config);
  });

  it.each([
    ['sink = "webhok"', '"webhok" is none of the choices. Did you mean "webhook"?'],
    ['sink = "file"', 'expected "target", the PATH of file.'],
    ['sink = "slack"\ntarget = "https://example.org"\nkeep = 1', 'slack has no option keep: remove it.'],
    [
      'sink = "webhook"\ntarget = "https://example.org"\nkey_env = "A"\nkey_file = "/b"',
      'expected one of key_env and key_file, got both.',
    ],
    [
      'sink = "webhook"\ntarget = "https://example.org"\nkye_env = "A"',
      'there is no such setting. Did you mean "key_env"?',
    ],
  ])('reports the fault of %j', async (section, part) => {
    await expect(parseConfig(`[[alert]]\n${section}\n`, 'x.toml')).rejects.toThrow(
      /^x\.toml has a fault:\nx\.toml:\d: alert\[0\]/,
    );
    await expect(parseConfig(`[[alert]]\n${section}\n`, 'x.toml')).rejects.toThrow(part);
  });
});
