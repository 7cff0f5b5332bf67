/**
 * Calls functions of the addon with arguments of every wrong kind: `wrong-arguments.ts NAME...`, where a name is that of a
 * function or class. Prints for each the number of calls and the first faults: a call that threw nothing, or an error
 * that does not name the argument.
 */
import { readFileSync } from 'node:fs';
import { BpfObject } from '../../../src/bpf/libbpf/index.ts';
import { loadLibbpf, loadNative, type Native } from '../../../src/native/addon.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { type Kind, kindsOf, type Parameter, parameters } from '../addon-parameters.ts';
import { say } from './say.ts';

const native = loadNative();
loadLibbpf();

const throwing = () => {
  throw new Error('a getter was called');
};
const detached = new Uint8Array(8);
structuredClone(detached.buffer, { transfer: [detached.buffer] });

/** Values of every kind. The second part says which kinds of parameters accept the value. */
const values: [unknown, readonly Kind[]][] = [
  [undefined, ['optional']],
  [null, []],
  [true, ['boolean', 'optional']],
  [-1, ['int']],
  [1.5, []],
  [Number.NaN, []],
  [Number.POSITIVE_INFINITY, []],
  [2 ** 53, []],
  [-(2 ** 40), []],
  [2n, ['bigint']],
  [-1n, []],
  [2n ** 70n, []],
  ['text', ['text', 'path']],
  ['with\0nul', ['text']],
  [Symbol('symbol'), []],
  [{}, []],
  [{ valueOf: throwing, toString: throwing }, []],
  [Object.create(null), []],
  [new Proxy({}, { get: throwing, has: throwing }), []],
  [[], ['array']],
  [['text'], []],
  [() => {}, ['function']],
  [new Date(), []],
  [new Float64Array(2), []],
  [new ArrayBuffer(8), []],
  [new DataView(new ArrayBuffer(8)), []],
];
/** Of the right kind, but of no use. The kernel refuses them, or the addon does. */
const useless: Record<Kind, unknown[]> = {
  int: [-1, 0, 2 ** 31 - 1, -(2 ** 31)],
  unsigned: [0, 2 ** 32 - 1],
  bigint: [0n, 2n ** 64n - 1n],
  boolean: [false, true],
  optional: [undefined, false],
  text: ['', 'x'.repeat(100_000)],
  path: ['', '/nonexistent', '/'.repeat(5000)],
  bytes: [new Uint8Array(), new Uint8Array(3), detached],
  function: [() => {}],
  array: [[]],
  object: [{}],
};

type Call = (args: unknown[]) => unknown;

/** The name in messages, the parameters, and how to call. */
function callOf(name: string): Call {
  const [owner = '', method] = name.split('.');
  if (method === undefined) {
    const value = native[owner as keyof Native] as unknown as { new (...args: unknown[]): unknown };
    const isClass = owner in { RingReader: 0, ExitWatcher: 0, LevelWatcher: 0, PsiWatcher: 0, SystemProbe: 0 };
    return isClass
      ? (args) => new value(...args)
      : (args) => (value as unknown as Call & ((...a: unknown[]) => unknown))(...(args as [never]));
  }
  const object = instanceOf(owner) as Record<string, (...args: unknown[]) => unknown>;
  return (args) => object[method]?.(...args);
}

function instanceOf(owner: string): unknown {
  if (owner === 'ExitWatcher') return new native.ExitWatcher(() => {});
  if (owner === 'LevelWatcher') return new native.LevelWatcher(() => {});
  if (owner === 'PsiWatcher') return new native.PsiWatcher(() => {});
  if (owner === 'SystemProbe') return new native.SystemProbe({ proc: '/proc' });
  const object = BpfObject.open(readFileSync(nativeFile('flood.bpf.o')));
  object.load();
  const options = {
    mapFd: object.map('ring').fd,
    countersFd: object.map('counters').fd,
    batchBytes: 0,
    urgentKinds: [],
  };
  return new native.RingReader(options, () => {});
}

const right = (parameter: Parameter): unknown => {
  if (parameter.fields && parameter.kind === 'array') return [right({ ...parameter, kind: 'object' })];
  if (!parameter.fields) return parameter.right ?? useless[parameter.kind][0];
  return Object.fromEntries(parameter.fields.map((field) => [field.name, right(field)]));
};

let calls = 0;
const faults: string[] = [];

function attempt(name: string, call: Call, args: unknown[], wrong: string | undefined): void {
  calls++;
  const shown = () =>
    `${name}(${args.map((value) => (typeof value === 'object' ? kindsOf(value) : String(value))).join(', ')})`;
  try {
    call(args);
    if (wrong !== undefined) faults.push(`${shown()}: expected an error about ${wrong}, got none`);
  } catch (error) {
    const { message } = error as Error;
    const short = name.split('.').at(-1);
    const named = message === 'a getter was called' || wrong === undefined || message.startsWith(`${short}: ${wrong}`);
    if (!named) faults.push(`${shown()}: expected an error about ${wrong}, got: ${message}`);
  }
}

/** Calls the function once for each wrong value in the place of each parameter, and of each field of a parameter. */
function misuse(name: string, call: Call, list: readonly Parameter[]): void {
  attempt(name, call, list.map(right), undefined);
  if (list.length > 0) attempt(name, call, [], list[0]?.name);
  const visit = (parameter: Parameter, path: string, put: (value: unknown) => unknown[]) => {
    for (const value of useless[parameter.kind]) attempt(name, call, put(value), undefined);
    for (const [value, kinds] of values) {
      const object = parameter.kind === 'object' && typeof value === 'object' && value !== null;
      const fits = kinds.includes(parameter.kind) || object || (parameter.optional === true && value === undefined);
      const low = parameter.kind === 'array' && Array.isArray(value);
      attempt(name, call, put(value), fits || low ? undefined : path);
    }
    for (const field of parameter.fields ?? []) {
      const inArray = parameter.kind === 'array';
      const with_ = (value: unknown) => {
        const object = { ...(right({ ...parameter, kind: 'object' }) as object), [field.name]: value };
        return put(inArray ? [object] : object);
      };
      visit(field, inArray ? `${path}[0].${field.name}` : `${path}.${field.name}`, with_);
    }
    if (parameter.elements) {
      const element: Parameter = { name: '', kind: parameter.elements };
      visit(element, `${path}[0]`, (value) => put([value]));
    }
  };
  list.forEach((parameter, i) => {
    visit(parameter, parameter.name, (value) => list.map((other, j) => (i === j ? value : right(other))));
  });
  // Two wrong arguments at a time: only that the process goes on.
  for (const [first] of values) {
    for (const [second] of values) attempt(name, call, [first, second, first, second], undefined);
  }
}

for (const name of process.argv.slice(2)) {
  const list = parameters[name];
  if (!list) throw new Error(`expected the parameters of ${name} in addon-parameters.ts`);
  misuse(name, callOf(name), list);
  say({ name, calls, faults: faults.slice(0, 5) });
  calls = 0;
  faults.length = 0;
}
process.exit(0);
