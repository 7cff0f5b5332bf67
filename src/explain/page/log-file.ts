/** Reads a dropped or chosen log in pieces, so that the page stays usable and can show how far it is. */
import type { TextReader } from '../read-text.ts';
import type { PageFile } from './dom.ts';

/** The page gets time to react after this long. */
const SLICE_MS = 50;

/** @throws Error the file is packed in a form that browsers cannot unpack */
export async function readFile(file: PageFile, reader: TextReader, onBytes: (bytes: number) => void): Promise<void> {
  const [a, b, c, d] = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  if (a === 0x28 && b === 0xb5) throw new Error(packed(file.name, 'zstd', 'zstd -d'));
  if (a === 0xfd && b === 0x37) throw new Error(packed(file.name, 'xz', 'unxz'));
  if (a === 0x42 && b === 0x5a && c === 0x68 && d !== undefined) throw new Error(packed(file.name, 'bzip2', 'bunzip2'));
  let read = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      read += chunk.byteLength;
      controller.enqueue(chunk);
    },
  });
  const bytes = file.stream().pipeThrough(counted);
  const plain = a === 0x1f && b === 0x8b ? bytes.pipeThrough(new DecompressionStream('gzip')) : bytes;
  const pieces = plain.pipeThrough(new TextDecoderStream()).getReader();
  for (let last = Date.now(); ; ) {
    const { done, value } = await pieces.read();
    if (done) return;
    reader.push(value);
    if (Date.now() - last < SLICE_MS) continue;
    onBytes(read);
    await new Promise((resolve) => setTimeout(resolve));
    last = Date.now();
  }
}

const packed = (name: string, how: string, program: string) =>
  `${name} is packed with ${how}, which a browser cannot unpack. Unpack it first: ${program}.`;
