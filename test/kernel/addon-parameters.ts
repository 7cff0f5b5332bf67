/** What each function of the addon takes, for the test that calls all of them with wrong arguments. */

import { killLayout } from '../../src/bpf/wire/kill-layout.ts';

export type Kind =
  | 'int'
  | 'unsigned'
  | 'bigint'
  | 'boolean'
  | 'optional'
  | 'text'
  | 'path'
  | 'bytes'
  | 'function'
  | 'array'
  | 'object';

export interface Parameter {
  name: string;
  kind: Kind;
  optional?: boolean;
  /** A value that is accepted, if the first of its kind is not. */
  right?: unknown;
  /** Of an object, or of each object of an array. */
  fields?: readonly Parameter[];
  /** Of an array of plain values. */
  elements?: Kind;
}

const of =
  (kind: Kind) =>
  (name: string): Parameter => ({ name, kind });
const int = of('int');
const unsigned = of('unsigned');
const bigint = of('bigint');
const path = of('path');
const bytes = of('bytes');
const callback = of('function');

/** By name of the function, class, or `Class.method`. */
export const parameters: Record<string, readonly Parameter[]> = {
  pidfdOpen: [int('pid')],
  pidfdSignal: [int('pidfd'), int('signal')],
  hurryExit: [int('pidfd'), int('pid')],
  processMrelease: [int('pidfd')],
  lockMemory: [],
  unlockMemory: [],
  dropFilePages: [],
  setNice: [int('value')],
  setScheduler: [int('policy'), int('priority')],
  setDeadline: [unsigned('runtimeUs'), unsigned('periodUs')],
  lockFile: [int('fd')],
  sendDatagram: [path('path'), { name: 'text', kind: 'text' }],
  mapUpdate: [int('fd'), bytes('key'), bytes('value'), unsigned('flags')],
  mapLookup: [int('fd'), bytes('key'), bytes('into')],
  mapEntries: [int('fd'), bytes('into')],
  programRun: [int('fd')],
  programRunOn: [int('fd'), bytes('bytes')],
  iteratorOpen: [int('linkFd')],
  readAttribute: [path('path'), path('name')],
  loadLibbpf: [path('own')],
  takeLibbpfLog: [],
  trimHeap: [],
  mapYoungPages: [],
  heapBytes: [],
  keepLoaded: [path('path')],
  pageSize: [],
  findPhrases: [
    int('fd'),
    bigint('offset'),
    { name: 'length', kind: 'unsigned', right: 1 },
    { name: 'phrases', kind: 'array', elements: 'text' },
  ],
  cgroupComposition: [
    path('directory'),
    bigint('inode'),
    { name: 'version', kind: 'unsigned', right: 1 },
    { name: 'into', kind: 'bytes', right: new Uint8Array(10 * 8) },
  ],
  SystemProbe: [
    {
      name: 'options',
      kind: 'object',
      fields: [
        path('proc'),
        {
          name: 'cgroups',
          kind: 'object',
          optional: true,
          fields: [path('mount'), { name: 'version', kind: 'unsigned', right: 2 }],
        },
        { name: 'layout', kind: 'object', optional: true, fields: Object.keys(killLayout).map(unsigned) },
      ],
    },
  ],
  'SystemProbe.id': [],
  'SystemProbe.readKill': [bigint('event'), { name: 'into', kind: 'bytes', right: new Uint8Array(32 * 8) }],
  'SystemProbe.read': [{ name: 'into', kind: 'bytes', right: new Uint8Array(32 * 8) }],
  'SystemProbe.close': [],
  ExitWatcher: [callback('onExit')],
  'ExitWatcher.watch': [int('pidfd')],
  'ExitWatcher.unwatch': [unsigned('token')],
  PsiWatcher: [callback('onEvent')],
  'PsiWatcher.add': [path('path'), path('trigger')],
  'PsiWatcher.remove': [unsigned('token')],
  LevelWatcher: [callback('onLeft')],
  'LevelWatcher.watch': [
    {
      name: 'levels',
      kind: 'array',
      fields: [
        int('fd'),
        { name: 'name', kind: 'text' },
        bigint('least'),
        bigint('most'),
        { ...unsigned('everyMs'), right: 1 },
      ],
    },
  ],
  'LevelWatcher.stop': [],
  RingReader: [
    {
      name: 'options',
      kind: 'object',
      fields: [
        int('mapFd'),
        int('countersFd'),
        unsigned('batchBytes'),
        {
          name: 'owned',
          kind: 'object',
          optional: true,
          fields: [bigint('object'), { name: 'links', kind: 'array', elements: 'bigint' }],
        },
        { name: 'urgentKinds', kind: 'array', elements: 'unsigned' },
        {
          name: 'probe',
          kind: 'object',
          optional: true,
          fields: [unsigned('id'), { name: 'values', kind: 'bytes', right: new Uint8Array(32 * 8) }],
        },
      ],
    },
    callback('onBatch'),
  ],
  'RingReader.arm': [
    {
      name: 'target',
      kind: 'object',
      fields: [
        int('pidfd'),
        int('pid'),
        unsigned('kind'),
        int('statusFd'),
        unsigned('leastKib'),
        int('signal'),
        { name: 'release', kind: 'boolean' },
        bigint('expiresNs'),
        {
          name: 'fields',
          kind: 'array',
          fields: [
            unsigned('offset'),
            { ...unsigned('bytes'), right: 8 },
            bigint('value'),
            { name: 'atLeast', kind: 'optional' },
          ],
        },
      ],
    },
  ],
  'RingReader.refresh': [unsigned('id'), bigint('expiresNs')],
  'RingReader.disarm': [unsigned('id')],
  'RingReader.takeSignalled': [],
  'RingReader.counters': [],
  'RingReader.stats': [],
  'RingReader.close': [],
  limitCapabilities: [bigint('mask')],
};

/** A short name of a value, for messages. */
export function kindsOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : Object.prototype.toString.call(value).slice(8, -1);
}
