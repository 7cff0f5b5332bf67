/**
 * The id of a report is an FNV-1a hash of 128 bits: it needs no Node API, so that a browser computes the same id. The
 * hash is not cryptographic.
 */
const OFFSET = 0x6c62272e07bb014262b821756295c58dn;
const PRIME = 0x0000000001000000000000000000013bn;
const utf8 = new TextEncoder();

/** @returns the first 20 hexadecimal digits of the hash */
export function fingerprint(text: string): string {
  let hash = OFFSET;
  for (const byte of utf8.encode(text)) hash = BigInt.asUintN(128, (hash ^ BigInt(byte)) * PRIME);
  return hash.toString(16).padStart(32, '0').slice(0, 20);
}
