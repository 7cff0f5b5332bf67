import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseYaml } from '../../src/kubernetes/yaml.ts';
import { writeYaml, type Yaml } from '../../src/kubernetes/yaml-write.ts';

test('a kubeconfig is read: comments, quotes, nested lists, flow collections and block scalars', () => {
  const text = `# comment
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: "QUJD"
    server: https://10.0.0.1:6443   # the server
  name: 'it''s'
contexts: [{name: a, context: {cluster: b, user: "c d"}}, ]
current-context: ""
empty:
list:
  - - 1
    - two
  -
    x: 1.5
    y: [a,
      b]
note: |-
  first

    indented
folded: >
  one
  two
flag: true
`;
  expect(parseYaml(text)).toEqual({
    apiVersion: 'v1',
    clusters: [{ cluster: { 'certificate-authority-data': 'QUJD', server: 'https://10.0.0.1:6443' }, name: "it's" }],
    contexts: [{ name: 'a', context: { cluster: 'b', user: 'c d' } }],
    ...{ 'current-context': '', empty: null, list: [[1, 'two'], { x: 1.5, y: ['a', 'b'] }] },
    ...{ note: 'first\n\n  indented', folded: 'one two\n', flag: true },
  });
});

test.each([
  ['a: &x 1', 'line 1: anchors'],
  ['a: *x', 'line 1: anchors'],
  ['a: !!binary x', 'line 1: anchors'],
  ['a:\n\tb: 1', 'line 2: a tab'],
  ['a: 1\n  b: 2', 'line 2: the indentation'],
  ['a: 1\nb', 'line 2: expected "key: value"'],
  ['a: [1, 2', 'line 1: a bracket'],
  ['a: "x', 'line 1: a quote'],
  [`a: ${'['.repeat(100)}`, 'levels'],
  ['x'.repeat(5_000_000), 'expected at most'],
])('%.20s… is refused with its line', (text, problem) => {
  expect(() => parseYaml(text)).toThrow(problem);
});

test('JSON, several documents, and a byte order mark are read', () => {
  expect(parseYaml('{"a": [1, {"b": null}], "c": "d: e"}')).toEqual({ a: [1, { b: null }], c: 'd: e' });
  expect(parseYaml('\ufeff---\na: 1\n---\nb: 2\n')).toEqual({ a: 1 });
  expect(parseYaml('# nothing\n')).toBeNull();
});

test('what is written is read again as the same value', () => {
  const leaf = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      'no',
      'on',
      '1e3',
      '0x1f',
      '12:30',
      '2026-01-01',
      '45Mi',
      '- a',
      'a: b',
      '#',
      "'",
      '~',
      'a\nb',
      '10%',
    ),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  const value = fc.letrec<{ node: Yaml }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('node'), { maxLength: 4 }),
      fc.dictionary(fc.stringMatching(/^[a-z][a-z./-]{0,8}$/), tie('node'), { maxKeys: 4 }),
    ) as fc.Arbitrary<Yaml>,
  })).node;
  fc.assert(
    fc.property(value, (each) => {
      expect(parseYaml(writeYaml(each))).toEqual(each);
    }),
    { numRuns: 500 },
  );
});

test('no text makes the reader fail in another way than with its own error', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab:-[]{}"\'|># \n\t,&*!.1'), maxLength: 60 }), (text) => {
      try {
        parseYaml(text);
      } catch (error) {
        expect((error as Error).name).toBe('YamlError');
      }
    }),
    { numRuns: 3000 },
  );
});
