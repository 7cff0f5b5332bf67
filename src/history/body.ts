/** The JSON of an event as the history keeps it: packed with deflate if that saves something. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** Shorter JSON is kept as text, which a person can read with sqlite3(1). */
const SHORT = 600;

export function packed(json: string): string | Buffer {
  return json.length < SHORT ? json : deflateRawSync(json, { level: 1, memLevel: 7 });
}

/** The largest event that is unpacked: a report of a machine with 100,000 processes has 40 MB. */
const MOST_BYTES = 128 * 2 ** 20;

/** @throws Error the bytes are not what `packed()` makes */
export function unpacked(body: unknown): string {
  if (typeof body === 'string') return body;
  return inflateRawSync(body as Uint8Array, { maxOutputLength: MOST_BYTES }).toString();
}
