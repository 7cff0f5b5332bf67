/**
 * Loads the client of NATS: a bundle beside the compiled modules (scripts/bundle-nats.ts), which costs 11 MB of memory
 * and 50 ms, and is therefore loaded only by what publishes or reads a fleet.
 */
import type * as JetStream from '@nats-io/jetstream';
import type * as Kv from '@nats-io/kv';
import type * as Transport from '@nats-io/transport-node';
import { OomscopeError } from '../model/error.ts';
import { reinstallRemedy } from '../native/files.ts';

export type Nats = Pick<
  typeof Transport,
  | 'connect'
  | 'credsAuthenticator'
  | 'headers'
  | 'nanos'
  | 'nkeyAuthenticator'
  | 'tokenAuthenticator'
  | 'usernamePasswordAuthenticator'
> &
  Pick<typeof JetStream, 'jetstream' | 'jetstreamManager'> &
  Pick<typeof Kv, 'Kvm'>;

/** In dist/nats and in the command's bundle the file is in the folder beside; the sources use the one in dist/. */
const PLACES = ['../vendor/nats.js', '../../dist/vendor/nats.js'];

let loaded: Promise<Nats> | undefined;

/** @throws OomscopeError ADDON_MISSING: the installation is incomplete */
export function loadNats(): Promise<Nats> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Nats> {
  let cause: unknown;
  for (const place of PLACES) {
    try {
      return (await import(new URL(place, import.meta.url).href)) as Nats;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
      cause = error;
    }
  }
  const message = `The client of NATS is missing (dist/vendor/nats.js): ${reinstallRemedy()}.`;
  throw new OomscopeError('ADDON_MISSING', message, { cause });
}
