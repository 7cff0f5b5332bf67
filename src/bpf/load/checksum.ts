/**
 * FNV-1a, 32 bits, over words of four bytes and then single bytes, as eight hexadecimal digits. It finds damage; against forgery there is
 * the owner of the file. zlib.crc32() would do the same, but its module takes 8 ms to load.
 */
export function checksum(bytes: Uint8Array): string {
  const words = bytes.length >> 2;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = 0x811c9dc5;
  for (let i = 0; i < words; i++) hash = Math.imul(hash ^ view.getUint32(i * 4, true), 0x01000193);
  for (let i = words * 4; i < bytes.length; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
