import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { record } from '../../src/kubernetes/foreign.ts';
import { type ManifestOptions, manifest } from '../../src/kubernetes/manifest.ts';
import { agentRights } from '../../src/kubernetes/rights.ts';

const options = { namespace: 'oomscope', image: 'oomscope:1', events: true };
const objects = (events: boolean) => manifest({ ...options, events }) as Record<string, Record<string, unknown>>;

test.each([true, false])('the configuration in the manifest is valid (events: %s)', async (events) => {
  const data = objects(events)['config-map']?.data as Record<string, string>;
  const config = await parseConfig(data['oomscope.toml'] ?? '', 'oomscope.toml');
  expect(config.kubernetes).toMatchObject({ enabled: true, events });
  expect(config.guard).toBeUndefined();
  expect(config.kubernetes?.node_condition).toBeUndefined();
  const more = manifest({ ...options, events, nodeCondition: true })['config-map'] as { data: Record<string, string> };
  const set = await parseConfig(more.data['oomscope.toml'] ?? '', 'oomscope.toml');
  expect(set.kubernetes).toMatchObject({ events, node_condition: 10 });
});

test('a guard is added where asked for, kills nothing by default, and gets the capabilities to kill and to survive only if it does', async () => {
  const made = async (asked: Partial<ManifestOptions>) => {
    const all = manifest({ ...options, ...asked });
    const { data } = all['config-map'] as { data: Record<string, string> };
    const { guard } = await parseConfig(data['oomscope.toml'] ?? '', 'oomscope.toml');
    return {
      mode: guard?.mode,
      kills: JSON.stringify(all['daemon-set']).includes('"SYSLOG","KILL","SYS_RESOURCE","IPC_LOCK"]'),
    };
  };
  expect(await made({})).toEqual({ mode: undefined, kills: false });
  expect(await made({ guard: true })).toEqual({ mode: 'dry_run', kills: false });
  expect(await made({ guard: true, guardEnforces: true })).toEqual({ mode: 'enforce', kills: true });
  expect(await made({ guardEnforces: true })).toEqual({ mode: undefined, kills: false });
});

test('an option that changes the configuration changes the pods, which restarts them', () => {
  const asked: Partial<ManifestOptions>[] = [
    {},
    { guard: true },
    { guard: true, guardEnforces: true },
    { nodeCondition: true },
    { events: false },
  ];
  const seen = asked.map((each) => {
    const all = manifest({ ...options, ...each }) as Record<string, Record<string, unknown>>;
    const { metadata } = record(record(all['daemon-set']?.spec).template);
    return { configuration: JSON.stringify(all['config-map']), pods: JSON.stringify(metadata) };
  });
  expect(new Set(seen.map(({ configuration }) => configuration)).size).toBe(asked.length);
  expect(new Set(seen.map(({ pods }) => pods)).size).toBe(asked.length);
});

test('the role has the rights of the table, without those for Events if there are none', () => {
  const rules = (events: boolean) => objects(events)['cluster-role']?.rules;
  expect(rules(true)).toHaveLength(agentRights.filter(({ only }) => only !== 'nodeCondition').length);
  const all = manifest({ ...options, nodeCondition: true })['cluster-role'] as Record<string, unknown>;
  expect(all.rules).toHaveLength(agentRights.length);
  expect(rules(false)).toEqual([{ apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] }]);
});

test('the container is not privileged, and writes only to its folder for waiting Events', () => {
  const text = JSON.stringify(objects(true)['daemon-set']);
  expect(text).toContain('"privileged":false,"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true');
  expect(text).toContain('"drop":["ALL"]');
  expect(text).not.toContain('SYS_ADMIN');
  const writable = (events: boolean) => {
    const spec = JSON.stringify(objects(events)['daemon-set']);
    return [...spec.matchAll(/"mountPath":"([^"]+)"(?!,"readOnly":true)/g)].map(([, path]) => path);
  };
  expect(writable(true)).toEqual(['/var/lib/oomscope']);
  expect(writable(false)).toEqual([]);
});
