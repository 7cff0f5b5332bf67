import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { beforeAll, describe, expect, test } from 'vitest';
import { servers } from '../../scripts/kubernetes/servers.ts';
import { items, record } from '../../src/kubernetes/foreign.ts';
import { helmChart } from '../../src/kubernetes/helm-chart.ts';
import { type ManifestOptions, manifest } from '../../src/kubernetes/manifest.ts';
import { parseYaml } from '../../src/kubernetes/yaml.ts';
import { oomscope } from '../cli/cli.ts';
import { hasApiServer } from './apiserver.ts';
import { rendered } from './go-template.ts';

const options: ManifestOptions = { namespace: 'oomscope', image: 'oomscope:0.1.0', events: true };

const valuesOf = (chart: Record<string, string>) => parseYaml(chart['values.yaml'] ?? '') as Record<string, unknown>;
const schemaOf = (chart: Record<string, string>) => JSON.parse(chart['values.schema.json'] ?? '');

type Objects = Record<string, Record<string, unknown>>;

/** The objects that the chart renders, by their kind. */
async function objectsOf(over: Record<string, unknown> = {}, asked = options, namespace = 'default'): Promise<Objects> {
  const chart = helmChart(asked);
  const values = { ...valuesOf(chart), ...over };
  const stream = await rendered(chart, { namespace, values });
  const all = stream.split(/^---$/m).map((part) => parseYaml(part));
  return byKind(all.filter((each) => each !== null));
}

const byKind = (all: readonly unknown[]): Objects =>
  Object.fromEntries((all as Record<string, unknown>[]).map((each) => [String(each.kind), each]));

/** The objects of the manifest, without fields that have no value. */
const plain = (asked: ManifestOptions): Objects => byKind(Object.values(JSON.parse(JSON.stringify(manifest(asked)))));

describe.skipIf(!hasApiServer)('the chart, rendered by Go', () => {
  // On a new machine it is compiled first.
  beforeAll(() => servers().then(() => {}), 1_500_000);

  test.each([
    ['no options', options],
    ['no Events', { ...options, events: false }],
    [
      'a PodMonitor, a namespace and an image',
      { namespace: 'kube-system', image: 'r.example:5000/o@sha256:ab', events: true, podMonitor: true },
    ],
  ])('renders exactly the objects of the manifest with its default values, made with %s', async (_, asked) => {
    expect(await objectsOf({}, asked)).toEqual(plain(asked));
  });

  test('renders what the manifest has for another option, where only the value says so', async () => {
    expect(await objectsOf({ nodeCondition: 10 })).toEqual(plain({ ...options, nodeCondition: true }));
    expect(await objectsOf({ events: false, podMonitor: true })).toEqual(
      plain({ ...options, events: false, podMonitor: true }),
    );
    for (const asked of [{ guard: true }, { guard: true, guardEnforces: true }, { guardEnforces: true }])
      expect(await objectsOf(asked)).toEqual(plain({ ...options, ...asked }));
    expect(await objectsOf({ namespace: 'memory', image: 'a:2' })).toEqual(
      plain({ ...options, namespace: 'memory', image: 'a:2' }),
    );
  });

  test('does not create the namespace of the release, which Helm has created', async () => {
    const { Namespace, ...others } = await objectsOf({}, options, 'oomscope');
    expect(Namespace).toBeUndefined();
    expect(Object.keys(others)).toHaveLength(Object.keys(plain(options)).length - 1);
  });

  test('writes values of the user as they are: quotes, line breaks, numbers and other languages', async () => {
    const configuration = '# "ümlaut" \\ \t{{ x }}\n[kubernetes]\nevents = false\n';
    const tolerations = [
      { key: 'a "b"', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      { operator: 'Exists' },
    ];
    const objects = await objectsOf({
      ...{ configuration, tolerations, linuxBefore511: true, priorityClassName: 'system-node-critical' },
      ...{
        imagePullSecrets: [{ name: 'registry' }],
        nodeSelector: {},
        resources: { limits: { memory: '1Gi', cpu: 0.5 } },
      },
    });
    expect(objects.ConfigMap?.data).toEqual({ 'oomscope.toml': configuration });
    const { template } = record(objects.DaemonSet?.spec);
    const annotations = record(record(record(template).metadata).annotations);
    expect(annotations['oomscope.io/configuration']).toBe(configuration);
    const spec = record(record(template).spec);
    expect(spec).toMatchObject({ tolerations, nodeSelector: {}, imagePullSecrets: [{ name: 'registry' }] });
    expect(spec).toMatchObject({ priorityClassName: 'system-node-critical' });
    const container = record(items(spec.containers)[0]);
    expect(container.resources).toEqual({ limits: { memory: '1Gi', cpu: 0.5 } });
    expect(JSON.stringify(container.securityContext)).toContain('"SYSLOG","SYS_RESOURCE"]');
  });
});

test('the templates use nothing that only Helm has', () => {
  const chart = helmChart(options);
  const actions = Object.entries(chart).flatMap(([path, text]) =>
    path.startsWith('templates/') ? (text.match(/\{\{.*?\}\}/g) ?? []) : [],
  );
  const words = new Set(
    actions.flatMap((action) => action.replace(/"[^"]*"/g, '').match(/(?<![.$\w])[a-z]\w*/g) ?? []),
  );
  expect([...words].sort()).toEqual(['else', 'end', 'eq', 'if', 'ne', 'printf', 'range']);
});

test('the schema accepts the default values, and refuses misspelt names and wrong types', () => {
  const chart = helmChart(options);
  const isValid = new Ajv({ strict: false }).compile(schemaOf(chart));
  const values = valuesOf(chart);
  expect(isValid(values), JSON.stringify(isValid.errors)).toBe(true);
  expect(isValid({ ...values, global: {} })).toBe(true);
  const wrong = [
    { event: true },
    { events: 'yes' },
    { image: 'a b' },
    { namespace: 'Shop' },
    { imagePullSecrets: ['registry'] },
    { resources: { limit: { memory: '1Gi' } } },
  ];
  for (const each of wrong) expect(isValid({ ...values, ...each }), JSON.stringify(each)).toBe(false);
});

test('`k8s manifest --helm` writes the chart, and refuses a folder that exists', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oomscope-chart-'));
  try {
    const words = ['k8s', 'manifest', '--helm', join(folder, 'chart')];
    expect(await oomscope(words)).toMatchObject({ code: 0, stdout: '' });
    const names = readdirSync(join(folder, 'chart'));
    expect(names.sort()).toEqual(['Chart.yaml', 'templates', 'values.schema.json', 'values.yaml']);
    expect(await oomscope(words)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it exists and is not changed'),
    });
    const both = await oomscope([...words, '--output', join(folder, 'other')]);
    expect(both).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--output and --helm: expected one of them'),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
