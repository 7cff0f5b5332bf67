/** Writes protobuf (https://protobuf.dev/programming-guides/encoding) by the tables of schema.ts. */
import type { Field, Message, Scalar } from './schema.ts';

/** How the bytes of a value are found: a varint, eight bytes, or a length before the bytes. */
const wireTypes: Record<Scalar, 0 | 1 | 2> = {
  ...{ bool: 0, int64: 0, uint32: 0, enum: 0 },
  ...{ fixed64: 1, sfixed64: 1, double: 1 },
  string: 2,
};

/** @param value an object in the form of OTLP's JSON; fields that the message does not have are an error */
export function encode(message: Message, value: object): Buffer {
  const parts: Buffer[] = [];
  for (const [name, content] of Object.entries(value)) {
    const field = message[name];
    if (!field) throw new Error(`the message has no field ${name}`);
    if (content === undefined) continue;
    if (field.repeated) pushAll(parts, field, content as unknown[]);
    else pushOne(parts, field, content);
  }
  return Buffer.concat(parts);
}

function pushAll(parts: Buffer[], field: Field, values: readonly unknown[]): void {
  const { type } = field;
  if (values.length === 0) return;
  if (typeof type === 'function' || type === 'string') for (const value of values) pushOne(parts, field, value);
  else pushBytes(parts, field.number, Buffer.concat(values.map((value) => scalar(type, value)))); // packed
}

function pushOne(parts: Buffer[], { number, type }: Field, value: unknown): void {
  if (typeof type === 'function') pushBytes(parts, number, encode(type(), value as object));
  else if (type === 'string') pushBytes(parts, number, Buffer.from(value as string));
  else parts.push(varint(BigInt((number << 3) | wireTypes[type])), scalar(type, value));
}

function pushBytes(parts: Buffer[], number: number, bytes: Buffer): void {
  parts.push(varint(BigInt((number << 3) | 2)), varint(BigInt(bytes.length)), bytes);
}

function scalar(type: Exclude<Scalar, 'string'>, value: unknown): Buffer {
  switch (type) {
    case 'bool':
      return varint(value ? 1n : 0n);
    case 'enum':
    case 'uint32':
    case 'int64':
      return varint(BigInt.asUintN(64, BigInt(value as string)));
    default: {
      const bytes = Buffer.alloc(8);
      if (type === 'double') bytes.writeDoubleLE(value as number);
      else bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value as string)));
      return bytes;
    }
  }
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    if (rest < 0x80n) return Buffer.from([...bytes, low]);
    bytes.push(low | 0x80);
  }
}

/**
 * Reads the answer of a receiver, ExportLogsServiceResponse or ExportMetricsServiceResponse.
 *
 * @returns how many records it rejected, and why; undefined: it accepted all, or the bytes are no such answer
 */
export function partialSuccess(bytes: Buffer): { rejected: number; message: string } | undefined {
  const inner = fieldsOf(bytes)?.get(1);
  if (!Buffer.isBuffer(inner)) return undefined;
  const fields = fieldsOf(inner);
  const rejected = fields?.get(1) ?? 0n;
  const message = fields?.get(2) ?? Buffer.alloc(0);
  if (typeof rejected !== 'bigint' || !Buffer.isBuffer(message)) return undefined;
  return { rejected: Number(rejected), message: message.toString() };
}

/** The last value of each field. undefined: the bytes are no message. */
function fieldsOf(bytes: Buffer): Map<number, bigint | Buffer> | undefined {
  const fields = new Map<number, bigint | Buffer>();
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; at < bytes.length && shift < 70n; shift += 7n) {
      const byte = bytes[at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    at = bytes.length + 1; // cut off
    return 0n;
  };
  while (at < bytes.length) {
    const tag = next();
    const length = { 0: 0, 1: 8, 2: -1, 5: 4 }[Number(tag & 7n)];
    if (length === undefined || at > bytes.length) return undefined;
    if (length === 0) fields.set(Number(tag >> 3n), next());
    else {
      const size = length < 0 ? Number(next()) : length;
      if (at + size > bytes.length) return undefined;
      fields.set(Number(tag >> 3n), bytes.subarray(at, at + size));
      at += size;
    }
  }
  return at === bytes.length ? fields : undefined;
}
