/** The addresses at which oomscope listens. */
import { isIP } from 'node:net';
import { OomscopeError } from '../model/error.ts';

/** An address of this machine and a port. */
export interface Address {
  /** An IPv4 or IPv6 address, the latter without brackets. */
  host: string;
  /** 0 to 65535. 0: the kernel chooses a free port. */
  port: number;
}

/**
 * Parses "127.0.0.1:9836", "[::1]:9836", "localhost:9836", or "9836", which means 127.0.0.1. Other names are refused,
 * because what they resolve to may change.
 *
 * @param what the option, for the message
 * @throws OomscopeError USAGE
 */
export function parseAddress(text: string, what: string): Address {
  const address = addressOf(text);
  if (address) return address;
  const shown = JSON.stringify(text.slice(0, 80));
  const expected = 'expected an IP address and a port, such as "127.0.0.1:9836" or "[::1]:9836"';
  throw new OomscopeError('USAGE', `${what}: ${expected}, got ${shown}.`);
}

function addressOf(text: string): Address | undefined {
  const [, six, other, digits] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) return undefined;
  const host = six ?? (other === undefined || other === 'localhost' ? '127.0.0.1' : other);
  const version = isIP(host);
  return version !== 0 && (version === 6) === (six !== undefined) ? { host, port } : undefined;
}

/** Whether only processes of this machine can connect to the address. */
export const isLoopback = ({ host }: Address): boolean => host.startsWith('127.') || host === '::1';

/** Writes an address as {@link parseAddress} reads it. */
export const showAddress = ({ host, port }: Address): string => `${bracketed(host)}:${port}`;

/** The host of a URL: an IPv6 address is in brackets. */
export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
