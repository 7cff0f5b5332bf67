/**
 * Writes src/bpf/wire/layout.ts from the BTF of the compiled object, so that the binary layout of the records is written
 * once, in bpf/events.h and bpf/pressure.h.
 *
 *   node scripts/layout.ts build/oomscope.bpf.o [build/pressure.bpf.o …] src/bpf/wire/layout.ts
 */
import { writeFileSync } from 'node:fs';
import { Btf, type BtfType, Kind } from '../src/bpf/libbpf/btf.ts';

const RECORDS = [
  'oom_kill_record',
  'oom_candidates_record',
  'oom_imminent_record',
  'oom_step_record',
  'log_line_record',
  'process_exec_record',
  'task_row',
  'synthetic_record',
  'pressure_stall_record',
  'pressure_level_record',
  'pressure_countdown_record',
  'pressure_group_record',
  'pressure_group',
  'pressure_slot',
  'guard_trigger_record',
  'guard_signal_record',
  'arming_slot',
];
const ENUMS = [
  'record_kind',
  'kill_kind',
  'oom_step',
  'kill_fact',
  'candidates_mode',
  'log_line_flag',
  'task_flag',
  'stall_cause',
  'pressure_level',
  'slot_running',
  'arming_state',
  'guard_outcome',
];

const pascal = (name: string) => name.replace(/(^|_)([a-z])/g, (_, _start, letter: string) => letter.toUpperCase());

const integers: Record<string, string> = {
  __u8: 'getUint8(AT)',
  char: 'getUint8(AT)',
  __u16: 'getUint16(AT, true)',
  __u32: 'getUint32(AT, true)',
  __s32: 'getInt32(AT, true)',
  __u64: 'getBigUint64(AT, true)',
  __s64: 'getBigInt64(AT, true)',
};

function getter(btf: Btf, name: string, typeId: number, offset: number, needed: Set<string>): string[] {
  const named = btf.type(typeId);
  const type = btf.resolve(typeId);
  const at = (base: number, extra = '') => `this.at + ${base}${extra}`;
  if (type.kind === Kind.int) {
    const read = integers[named.name] ?? integers[type.name];
    if (!read) throw new Error(`${name}: no reader for ${named.name}`);
    const returns = read.includes('Big') ? 'bigint' : 'number';
    return [`get ${name}(): ${returns} {`, `  return this.view.${read.replace('AT', at(offset))};`, '}'];
  }
  if (type.kind === Kind.struct) {
    needed.add(type.name);
    const of = pascal(type.name);
    return [`get ${name}(): ${of} {`, `  return new ${of}(this.view, ${at(offset)});`, '}'];
  }
  if (type.kind === Kind.array) {
    const { element, length } = btf.array(type);
    const of = btf.resolve(element);
    if (of.kind === Kind.int && of.size === 1) {
      return [
        `/** All ${length} bytes. */`,
        `get ${name}(): Uint8Array {`,
        `  return new Uint8Array(this.view.buffer, this.view.byteOffset + ${at(offset)}, ${length});`,
        '}',
      ];
    }
    if (of.kind === Kind.int) {
      const read = integers[btf.type(element).name] ?? integers[of.name];
      if (!read) throw new Error(`${name}: no reader for ${of.name}`);
      return [
        `/** @param i 0 to ${length - 1} */`,
        `${name}(i: number): ${read.includes('Big') ? 'bigint' : 'number'} {`,
        `  return this.view.${read.replace('AT', at(offset, ` + i * ${of.size}`))};`,
        '}',
      ];
    }
    if (of.kind !== Kind.struct) throw new Error(`${name}: an array of ${of.name} is not expected`);
    needed.add(of.name);
    return [
      `/** @param i 0 to ${length - 1} */`,
      `${name}(i: number): ${pascal(of.name)} {`,
      `  return new ${pascal(of.name)}(this.view, ${at(offset, ` + i * ${btf.sizeOf(element)}`)});`,
      '}',
    ];
  }
  throw new Error(`${name}: BTF kind ${type.kind} is not expected on the wire`);
}

function classFor(btf: Btf, type: BtfType, needed: Set<string>): string {
  const members = btf.members(type).filter((member) => !member.name.startsWith('reserved'));
  const offsets = members.map((member) => `    ${member.name}: ${member.bits / 8},`);
  const body = members.flatMap((member) => getter(btf, member.name, member.type, member.bits / 8, needed));
  return [
    `/** struct ${type.name}: a view, nothing is copied or decoded before it is asked for. */`,
    `export class ${pascal(type.name)} {`,
    `  static readonly size = ${type.size};`,
    '  static readonly offset = {',
    ...offsets,
    '  } as const;',
    '  readonly view: DataView;',
    '  /** Where in the view it starts. A reader of many records may move it. */',
    '  at: number;',
    '',
    '  constructor(view: DataView, at: number) {',
    '    this.view = view;',
    '    this.at = at;',
    '  }',
    ...body.map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

function enumFor(btf: Btf, name: string): string | undefined {
  const id = btf.find(name, Kind.enum);
  if (id === undefined) return undefined;
  const rows = btf.enumValues(btf.type(id)).map((value) => `  ${value.name}: ${value.value},`);
  return [`/** enum ${name} */`, `export const ${pascal(name)} = {`, ...rows, '} as const;', ''].join('\n');
}

const objects = process.argv.slice(2, -1).map((path) => Btf.ofFile(path));
const out = process.argv.at(-1);
if (!out || objects.length === 0) throw new Error('expected: layout.ts OBJECT… OUTPUT');

const holding = (name: string, kind: number) => objects.find((btf) => btf.find(name, kind) !== undefined);
const parts: string[] = ['// Generated from bpf/events.h and bpf/pressure.h by scripts/layout.ts. Do not edit.', ''];
for (const name of ENUMS) {
  const btf = holding(name, Kind.enum);
  const text = btf && enumFor(btf, name);
  if (!text) throw new Error(`The BPF object's BTF has no enum ${name}`);
  parts.push(text);
}
const done = new Set<string>();
const queue = [...RECORDS];
for (let name = queue.shift(); name; name = queue.shift()) {
  if (done.has(name)) continue;
  done.add(name);
  const btf = holding(name, Kind.struct);
  if (!btf) throw new Error(`The BPF object's BTF has no struct ${name}`);
  const needed = new Set<string>();
  parts.push(classFor(btf, btf.type(btf.find(name, Kind.struct) as number), needed));
  queue.push(...needed);
}
writeFileSync(out, parts.join('\n'));
