/**
 * Extracts the ELF kernel from a bzImage. QEMU boots it through its PVH entry, which saves the decompression (2 to 5 s of every
 * emulated boot), and its BTF can be read without booting.
 */
import { spawnSync } from 'node:child_process';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { isLz4Legacy, lz4LegacyDecompress } from './lz4.ts';

/** Documentation/arch/x86/boot.rst: the setup header. */
const HEADER = { setupSects: 0x1f1, magic: 0x202, payloadOffset: 0x248, payloadLength: 0x24c };
const PT_NOTE = 4;
const XEN_ELFNOTE_PHYS32_ENTRY = 18;
const MAX_BYTES = 512 * 2 ** 20;

/** @param image a bzImage, or the ELF itself; of arm64 an Image, which is what QEMU boots there, or an EFI zboot around it */
export function extractVmlinux(image: Buffer): Buffer {
  if (isElf(image) || isArm64Image(image)) return image;
  if (isZboot(image)) {
    const [start, size] = [image.readUInt32LE(8), image.readUInt32LE(12)];
    return decompress(image.subarray(start, start + size));
  }
  if (image.length < 0x1000 || image.toString('latin1', HEADER.magic, HEADER.magic + 4) !== 'HdrS') {
    throw new Error('expected a Linux kernel image, a bzImage or an ELF file');
  }
  const start = ((image[HEADER.setupSects] || 4) + 1) * 512 + image.readUInt32LE(HEADER.payloadOffset);
  const end = start + image.readUInt32LE(HEADER.payloadLength);
  const vmlinux = decompress(image.subarray(start, end - 4)); // the last four bytes are its size when decompressed
  if (!isElf(vmlinux)) throw new Error('expected an ELF file inside the kernel image');
  return vmlinux;
}

/** Whether QEMU can start this ELF file: it can if there is an ELF note "Xen" 18 (CONFIG_PVH). */
export function hasPvhEntry(vmlinux: Buffer): boolean {
  const table = Number(vmlinux.readBigUInt64LE(0x20));
  const rowSize = vmlinux.readUInt16LE(0x36);
  for (let row = 0; row < vmlinux.readUInt16LE(0x38); row++) {
    const header = table + row * rowSize;
    if (vmlinux.readUInt32LE(header) !== PT_NOTE) continue;
    const end = Number(vmlinux.readBigUInt64LE(header + 8) + vmlinux.readBigUInt64LE(header + 32));
    for (let at = Number(vmlinux.readBigUInt64LE(header + 8)); at + 12 <= end; ) {
      const [nameSize, size, type] = [0, 4, 8].map((offset) => vmlinux.readUInt32LE(at + offset)) as [
        number,
        number,
        number,
      ];
      if (type === XEN_ELFNOTE_PHYS32_ENTRY && vmlinux.toString('latin1', at + 12, at + 15) === 'Xen') return true;
      at += 12 + ((nameSize + 3) & ~3) + ((size + 3) & ~3);
    }
  }
  return false;
}

/** Decompresses by the magic number: a kernel may use any of these formats, a module xz or zstd. */
export function decompress(data: Buffer): Buffer {
  const magic = data.readUInt32LE(0);
  if (isLz4Legacy(data)) return lz4LegacyDecompress(data);
  if (magic === 0xfd2fb528) return zstdDecompressSync(data, { maxOutputLength: MAX_BYTES });
  if (magic === 0x587a37fd) return piped('xz', data);
  if ((magic & 0xffff) === 0x8b1f) return gunzipSync(data, { maxOutputLength: MAX_BYTES });
  throw new Error(`expected lz4, zstd, xz or gzip data, got ${data.subarray(0, 4).toString('hex')}`);
}

function piped(program: string, input: Buffer): Buffer {
  const { status, stdout, stderr, error } = spawnSync(program, ['-dc'], { input, maxBuffer: MAX_BYTES });
  if (error || status !== 0) throw new Error(`${program} -dc failed: ${error?.message ?? stderr.toString()}`);
  return stdout;
}

/** Documentation/arch/arm64/booting.rst */
const isArm64Image = (image: Buffer) => image.toString('latin1', 0x38, 0x3c) === 'ARMd';
/** include/linux/pe.h: LINUX_PE_MAGIC comes later; "MZ", two zeros, "zimg", then where the payload is. */
const isZboot = (image: Buffer) => image.toString('latin1', 4, 8) === 'zimg';

function isElf(data: Buffer): boolean {
  return data.readUInt32BE(0) === 0x7f454c46;
}
