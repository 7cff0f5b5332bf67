/** Reads the body of a request. */
import type { IncomingMessage } from 'node:http';

/**
 * @returns the body; a sentence for the client if it is too large; undefined if the client is gone. The listener's
 *   timeout ends a body that does not arrive
 */
export async function bodyOf(request: IncomingMessage, mostBytes: number): Promise<Buffer | string | undefined> {
  const tooLarge = mostBytes === 0 ? 'Expected no body.' : `Expected a body of at most ${mostBytes} bytes.`;
  const announced = request.headers['content-length'];
  const isEmpty = announced === undefined && request.headers['transfer-encoding'] === undefined;
  if (isEmpty || announced === '0') return Buffer.alloc(0);
  if (Number(announced ?? 0) > mostBytes || mostBytes === 0) return tooLarge;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > mostBytes) return tooLarge;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks);
}
