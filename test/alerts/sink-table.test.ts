/** The tables of sinks and their options, from which command line, configuration and systemd unit are made. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { foreignTo, openSink } from '../../src/alerts/open.ts';
import { commonOptions, needNetwork, sinkKinds, sinkOptions, sinksWith } from '../../src/alerts/sink-table.ts';
import { parseConfig } from '../../src/config/config.ts';

const sinks = Object.keys(sinkKinds);

describe('the table of sinks', () => {
  it.each(sinks)('%s has a file of its own and takes declared options only', (sink) => {
    expect(existsSync(join(import.meta.dirname, `../../src/alerts/sinks/${sink}.ts`))).toBe(true);
    for (const name of sinkKinds[sink]?.takes ?? []) expect(sinkOptions).toHaveProperty(name);
  });

  it('has no option that no sink takes, and no two options of one name', () => {
    for (const name of Object.keys(sinkOptions) as (keyof typeof sinkOptions)[]) {
      const isCommon = commonOptions.some((common) => common === name);
      expect(sinksWith(name).length > 0, name).toBe(!isCommon);
    }
    const names = Object.values(sinkOptions).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('names an option in errors as the user writes it, not by its TypeScript property', async () => {
    expect(foreignTo({ sink: 'journald', mostBytes: 1, spoolBytes: 1 })).toEqual(['size']);
    await expect(openSink({ sink: 'journald', mostBytes: 1 })).rejects.toThrow('journald: expected no "size"');
  });

  it('tells which sinks need the network', () => {
    const local = sinks.filter((sink) => !needNetwork([{ sink }]));
    expect(local).toEqual(['file', 'journald', 'desktop']);
    expect(needNetwork([])).toBe(false);
    expect(needNetwork([{ sink: 'file' }, { sink: 'slack' }])).toBe(true);
  });

  it('gives the configuration a setting for each option: text, number, list or secret', async () => {
    const toml = '[[alert]]\nsink = "file"\ntarget = "/a"\nkeep = 0\nsize = "1K"\nlevel = "critical"\n';
    const { alert } = await parseConfig(toml, 'x.toml');
    expect(alert).toEqual([{ sink: 'file', target: '/a', minimum: 'critical', mostBytes: 1024, keep: 0 }]);
  });
});
