/**
 * Writes src/bpf/wire/layout.ts from the BTF of bpf/wire.bpf.c: every enum and struct that the headers in bpf/ mark with
 * WIRE_ENUM or WIRE_STRUCT (bpf/wire.h), every struct that those contain, and a view for each kind of record.
 *
 * It also writes the names of the types in the other objects, which are those of the kernel (bpf/kernel.h).
 *
 *   node scripts/layout.ts build/wire.bpf.o src/bpf/wire/layout.ts build/oomscope.bpf.o ...
 */
import { writeFileSync } from 'node:fs';
import { Btf, type BtfType, Kind } from '../src/bpf/libbpf/btf.ts';

/** The enum whose value RECORD_NAME stands for struct name_record. */
const KINDS = 'record_kind';

const pascal = (name: string) => name.replace(/(^|_)([a-z])/g, (_, _start, letter: string) => letter.toUpperCase());
const camel = (name: string) => pascal(name).replace(/^./, (letter) => letter.toLowerCase());

const integers: Record<string, string> = {
  __u8: 'getUint8(AT)',
  char: 'getUint8(AT)',
  __u16: 'getUint16(AT, true)',
  __u32: 'getUint32(AT, true)',
  __s32: 'getInt32(AT, true)',
  __u64: 'getBigUint64(AT, true)',
  __s64: 'getBigInt64(AT, true)',
};

interface Field {
  name: string;
  type: number;
  offset: number;
}

/** The lines of an accessor. @param needed gets the structs that the accessor returns */
function accessor(btf: Btf, field: Field, needed: Set<string>): string[] {
  const type = btf.resolve(field.type);
  if (type.kind === Kind.int) return integerAccessor(btf, field);
  if (type.kind === Kind.array) return arrayAccessor(btf, field, needed);
  if (type.kind !== Kind.struct) throw new Error(`${field.name}: BTF kind ${type.kind} is not expected on the wire`);
  needed.add(type.name);
  const view = pascal(type.name);
  return [`get ${field.name}(): ${view} {`, `  return new ${view}(this.view, this.at + ${field.offset});`, '}'];
}

function integerAccessor(btf: Btf, { name, type, offset }: Field): string[] {
  const { read, returns } = reader(btf, name, type, `this.at + ${offset}`);
  return [`get ${name}(): ${returns} {`, `  return ${read};`, '}'];
}

function arrayAccessor(btf: Btf, { name, type, offset }: Field, needed: Set<string>): string[] {
  const { element, length } = btf.array(btf.resolve(type));
  const of = btf.resolve(element);
  if (of.kind === Kind.int && of.size === 1) {
    return [
      `/** All ${length} bytes. */`,
      `get ${name}(): Uint8Array {`,
      `  return new Uint8Array(this.view.buffer, this.view.byteOffset + this.at + ${offset}, ${length});`,
      '}',
    ];
  }
  const doc = `/** @param i 0 to ${length - 1} */`;
  const at = `this.at + ${offset} + i * ${btf.sizeOf(element)}`;
  if (of.kind === Kind.int) {
    const { read, returns } = reader(btf, name, element, at);
    return [doc, `${name}(i: number): ${returns} {`, `  return ${read};`, '}'];
  }
  if (of.kind !== Kind.struct) throw new Error(`${name}: an array of ${of.name} is not expected`);
  needed.add(of.name);
  return [doc, `${name}(i: number): ${pascal(of.name)} {`, `  return new ${pascal(of.name)}(this.view, ${at});`, '}'];
}

function reader(btf: Btf, name: string, type: number, at: string): { read: string; returns: string } {
  const method = integers[btf.type(type).name] ?? integers[btf.resolve(type).name];
  if (!method) throw new Error(`${name}: no reader for ${btf.type(type).name}`);
  return { read: `this.view.${method.replace('AT', at)}`, returns: method.includes('Big') ? 'bigint' : 'number' };
}

function classFor(btf: Btf, type: BtfType, needed: Set<string>): string {
  const fields = btf
    .members(type)
    .filter(({ name }) => !name.startsWith('reserved'))
    .map((member): Field => ({ name: member.name, type: member.type, offset: member.bits / 8 }));
  const arrays = fields.filter((field) => btf.resolve(field.type).kind === Kind.array);
  const lengths = arrays.map((field) => `    ${field.name}: ${btf.array(btf.resolve(field.type)).length},`);
  return [
    `/** A view of struct ${type.name}: each accessor reads the bytes when it is called. */`,
    `export class ${pascal(type.name)} {`,
    `  static readonly size = ${type.size};`,
    '  static readonly offset = {',
    ...fields.map(({ name, offset }) => `    ${name}: ${offset},`),
    '  } as const;',
    ...(lengths.length > 0
      ? ['  /** Elements of the arrays. */', '  static readonly length = {', ...lengths, '  } as const;']
      : []),
    '  readonly view: DataView;',
    '  /** Where in the view the struct starts. A reader of many structs may move it. */',
    '  at: number;',
    '',
    '  constructor(view: DataView, at: number) {',
    '    this.view = view;',
    '    this.at = at;',
    '  }',
    ...fields.flatMap((field) => accessor(btf, field, needed)).map((line) => `  ${line}`),
    '}',
    '',
  ].join('\n');
}

/** RECORD_KINDS in enum record_kind: an enum's name in the plural is the number of its values, not one of them. */
const isCount = (type: BtfType, name: string) => name === `${type.name}s`.toUpperCase();

/** The values of an enum without their common prefix, in lower case. None where they are flags, or have no prefix. */
function namesOf(btf: Btf, type: BtfType): { value: number; name: string }[] {
  const values = btf.enumValues(type).filter(({ name }) => !isCount(type, name));
  if (values.every(({ value }) => value > 0 && (value & (value - 1)) === 0)) return [];
  const prefix = `${values[0]?.name.split('_')[0]}_`;
  const whole = `${type.name.toUpperCase()}_`;
  const cut = values.every(({ name }) => name.startsWith(whole)) ? whole : prefix;
  if (!values.every(({ name }) => name.startsWith(cut))) return [];
  return values.map(({ name, value }) => ({ value, name: name.slice(cut.length).toLowerCase() }));
}

function enumFor(btf: Btf, type: BtfType): string {
  const rows = btf.enumValues(type).map(({ name, value }) => `  ${name}: ${value},`);
  const names = namesOf(btf, type).map(({ name, value }) => `  ${value}: '${name}',`);
  const lines = [`/** enum ${type.name} */`, `export const ${pascal(type.name)} = {`, ...rows, '} as const;', ''];
  if (names.length === 0) return lines.join('\n');
  const named = [`/** The names of enum ${type.name}, by value. */`, `export const ${camel(type.name)}Names = {`];
  return [...lines, ...named, ...names, '} as const;', ''].join('\n');
}

function viewsFor(btf: Btf, kinds: BtfType): string {
  const rows = namesOf(btf, kinds).map(({ name, value }) => {
    if (btf.find(`${name}_record`, Kind.struct) === undefined) {
      throw new Error(`Expected a struct ${name}_record, marked with WIRE_STRUCT, for a value of enum ${KINDS}.`);
    }
    return `  ${value}: ${pascal(name)}Record,`;
  });
  return ['/** The view of each kind of record. */', 'export const recordViews = {', ...rows, '} as const;', ''].join(
    '\n',
  );
}

/** The types of the variables that WIRE_ENUM and WIRE_STRUCT declare. */
function markedTypes(btf: Btf): BtfType[] {
  const marked: BtfType[] = [];
  for (let id = 1; id < btf.count; id++) {
    const variable = btf.type(id);
    if (variable.kind === Kind.var && variable.name.startsWith('wire_')) marked.push(btf.type(variable.type));
  }
  return marked;
}

function layout(btf: Btf): string {
  const marked = markedTypes(btf);
  const enums = marked.filter(({ kind }) => kind === Kind.enum);
  const kinds = enums.find(({ name }) => name === KINDS);
  if (!kinds) throw new Error(`Expected the object to hold enum ${KINDS}: is it bpf/wire.bpf.c's?`);
  const names = new Set(marked.filter(({ kind }) => kind === Kind.struct).map(({ name }) => name));
  const classes: string[] = [];
  // The set grows while it is walked: with the structs that a struct contains.
  for (const name of names) classes.push(classFor(btf, btf.type(btf.find(name, Kind.struct) as number), names));
  return [
    '// Generated from the headers in bpf/ by scripts/layout.ts. Do not edit.',
    '',
    ...enums.map((type) => enumFor(btf, type)),
    ...classes,
    viewsFor(btf, kinds),
  ].join('\n');
}

/** The names without a flavour ("mm_struct" of mm_struct___atomic), which libbpf ignores. */
function kernelTypes(objects: Btf[]): string {
  const kinds: number[] = [Kind.struct, Kind.union, Kind.enum, Kind.enum64, Kind.typedef];
  const names = objects.flatMap((btf) =>
    Array.from({ length: btf.count - 1 }, (_, i) => btf.type(i + 1))
      .filter(({ kind, name }) => kinds.includes(kind) && name !== '')
      .map(({ name }) => name.replace(/___.*/, '')),
  );
  const lines = [...new Set(names)].sort().map((name) => `  '${name}',`);
  return [
    '/** The types whose fields the BPF objects read. */',
    'export const kernelTypeNames = [',
    ...lines,
    '];',
    '',
  ].join('\n');
}

const [object, output, ...others] = process.argv.slice(2);
if (!object || !output || others.length === 0) throw new Error('Expected: layout.ts OBJECT OUTPUT OTHER_OBJECT...');
writeFileSync(output, `${layout(Btf.ofFile(object))}\n${kernelTypes(others.map((path) => Btf.ofFile(path)))}`);
