/** FNV-1a with 128 bits: the same id for the same report wherever it is read, in a browser too. Not for secrets. */
const OFFSET = 0x6c62272e07bb014262b821756295c58dn;
const PRIME = 0x0000000001000000000000000000013bn;
const utf8 = new TextEncoder();

/** 20 hexadecimal digits. */
export function fingerprint(text: string): string {
  let hash = OFFSET;
  for (const byte of utf8.encode(text)) hash = BigInt.asUintN(128, (hash ^ BigInt(byte)) * PRIME);
  return hash.toString(16).padStart(32, '0').slice(0, 20);
}
