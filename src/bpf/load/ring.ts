/**
 * Reads the ring of an attached object with the addon's threads.
 */
import { loadNative, type RingReader, type RingReaderOptions } from '../../native/addon.ts';
import { Batch } from '../wire/batch.ts';
import type { Attached } from './attach.ts';

export interface RingOptions {
  onBatch: (batch: Batch) => void;
  /** Called with an error that `onBatch` throws, because callbacks of the addon must not throw. */
  onError: (error: unknown) => void;
  /** Values of `RecordKind`: see `RingReaderOptions`. */
  urgentKinds?: readonly number[];
  /** See `RingReaderOptions`. */
  probe?: RingReaderOptions['probe'];
  /** Size of one batch. Default 131,072. */
  batchBytes?: number | undefined;
}

/** An attached object and the threads that read its ring. It owns both. */
export class AttachedRing implements Disposable {
  readonly reader: RingReader;
  readonly #attached: Attached;

  /** Takes ownership of the object, and closes it if its ring cannot be read. @throws OomscopeError ADDON_MISSING */
  constructor(attached: Attached, options: RingOptions) {
    this.#attached = attached;
    try {
      this.reader = readRing(attached, options);
    } catch (error) {
      attached.close();
      throw error;
    }
  }

  /** Detaches the programs, so no new record is written. The ring and its counters can still be read. Idempotent. */
  detach(): void {
    this.#attached.detach();
  }

  /**
   * Detaches the programs, delivers the records left in the ring, joins the threads and frees the object. Idempotent.
   */
  close(): void {
    this.#attached.detach();
    this.reader.close();
    this.#attached.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function readRing(attached: Attached, options: RingOptions): RingReader {
  const { onBatch, onError, urgentKinds = [], probe, batchBytes = 131072 } = options;
  const { ringFd: mapFd, countersFd, owned } = attached;
  const { RingReader: Reader } = loadNative();
  return new Reader({ mapFd, countersFd, batchBytes, owned, urgentKinds, probe }, (buffer, receivedNs, offsetNs) => {
    try {
      onBatch(new Batch(buffer, receivedNs, offsetNs));
    } catch (error) {
      onError(error);
    }
  });
}
