/**
 * The ring of an attached object, read by native threads from now on.
 */
import { loadNative, type RingReader } from '../../native/addon.ts';
import { Batch } from '../wire/batch.ts';
import type { Attached } from './attach.ts';

export interface RingOptions {
  onBatch: (batch: Batch) => void;
  /** What `onBatch` threw: nothing handed to native may throw. */
  onError: (error: unknown) => void;
  /** See `RingReaderOptions`. */
  urgentKinds?: readonly number[];
  batchBytes?: number | undefined;
}

/** The object is closed when its ring cannot be read. @throws OomscopeError ADDON_MISSING */
export function openRing(attached: Attached, options: RingOptions): RingReader {
  const { onBatch, onError, urgentKinds = [], batchBytes = 131072 } = options;
  const { ringFd: mapFd, countersFd, owned } = attached;
  try {
    const { RingReader: Reader } = loadNative();
    return new Reader({ mapFd, countersFd, batchBytes, owned, urgentKinds }, (buffer, receivedNs, offsetNs) => {
      try {
        onBatch(new Batch(buffer, receivedNs, offsetNs));
      } catch (error) {
        onError(error);
      }
    });
  } catch (error) {
    attached.close();
    throw error;
  }
}
