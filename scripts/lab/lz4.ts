/**
 * Decompresses the "legacy" LZ4 frame of Linux kernel images. Neither Node nor a basic Debian has a decoder for this
 * format.
 */

const MAGIC = 0x184c2102;
const MAX_BLOCK = 8 * 2 ** 20;

export function isLz4Legacy(data: Buffer): boolean {
  return data.length > 4 && data.readUInt32LE(0) === MAGIC;
}

/**
 * Decompresses a frame. It has blocks of 8 MiB, each after its compressed size. The blocks are independent of each
 * other.
 */
export function lz4LegacyDecompress(data: Buffer): Buffer {
  const blocks: Buffer[] = [];
  const block = Buffer.allocUnsafe(MAX_BLOCK);
  for (let at = 4; at + 4 <= data.length; ) {
    const size = data.readUInt32LE(at);
    at += 4;
    if (size === MAGIC) continue;
    if (size === 0 || at + size > data.length) break;
    blocks.push(Buffer.from(block.subarray(0, decompressBlock(data.subarray(at, at + size), block))));
    at += size;
  }
  return Buffer.concat(blocks);
}

/** Decompresses a block. Format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md */
function decompressBlock(from: Buffer, to: Buffer): number {
  let read = 0;
  let written = 0;
  const more = (length: number): number => {
    let sum = length;
    if (length === 15) {
      let byte: number;
      do {
        byte = from[read++] ?? 0;
        sum += byte;
      } while (byte === 255);
    }
    return sum;
  };
  while (read < from.length) {
    const token = from[read++] ?? 0;
    const literals = more(token >> 4);
    from.copy(to, written, read, read + literals);
    read += literals;
    written += literals;
    if (read >= from.length) break; // the last sequence is literals only
    const distance = from.readUInt16LE(read);
    read += 2;
    const end = written + more(token & 15) + 4;
    if (distance === 0 || distance > written || end > to.length) throw new Error('damaged LZ4 data');
    // A match may overlap its own output, which repeats bytes. So the bytes are copied one by one.
    while (written < end) {
      const length = Math.min(distance, end - written);
      to.copy(to, written, written - distance, written - distance + length);
      written += length;
    }
  }
  return written;
}
