/**
 * Keys, tokens and files of credentials as `nsc` makes them, written from their description, so that the client's own
 * library is not what the tests compare it with.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** First bytes of keys: https://github.com/nats-io/nkeys. */
const kinds = { operator: 14 << 3, account: 0, user: 20 << 3 };
const SEED = 18 << 3;

export interface Key {
  /** The public key, which begins with O, A or U. */
  name: string;
  /** The secret, which begins with SO, SA or SU. */
  seed: string;
  secret: KeyObject;
}

export function newKey(kind: keyof typeof kinds): Key {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' });
  const first = kinds[kind];
  return {
    name: checked([first], Buffer.from(x, 'base64url')),
    seed: checked([SEED | (first >> 5), (first & 31) << 3], Buffer.from(d, 'base64url')),
    secret: privateKey,
  };
}

/** A token by which one key vouches for another. */
export function tokenFor(subject: Key, name: string, nats: object, issuer: Key): string {
  const claims = { iat: Math.floor(Date.now() / 1000), iss: issuer.name, name, sub: subject.name, nats };
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex');
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ jti, ...claims })}`;
  return `${text}.${sign(null, Buffer.from(text), issuer.secret).toString('base64url')}`;
}

const unlimited = { subs: -1, data: -1, payload: -1 };

/** An operator with one account that may use JetStream. */
export class Operator {
  readonly #operator = newKey('operator');
  readonly #account = newKey('account');
  /** JetStream starts only where the server has an account of its own. */
  readonly #system = newKey('account');

  /** Lines of the server's configuration. */
  get config(): string {
    const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
    const account = { limits, type: 'account', version: 2 };
    const fleet = tokenFor(this.#account, 'fleet', { ...account, limits: { ...limits, ...storage } }, this.#operator);
    const system = tokenFor(this.#system, 'system', account, this.#operator);
    const own = tokenFor(this.#operator, 'test', { type: 'operator', version: 2 }, this.#operator);
    const accounts = `${this.#account.name}: ${fleet}, ${this.#system.name}: ${system}`;
    return `operator: ${own}\nsystem_account: ${this.#system.name}\nresolver: MEMORY\nresolver_preload: { ${accounts} }`;
  }

  /** The text of a file of credentials. @param permissions as `fleet setup` prints them. Default: everything */
  credentials(name: string, permissions?: { publish: string[]; subscribe: string[] }): string {
    const user = newKey('user');
    const allow = permissions && { pub: { allow: permissions.publish }, sub: { allow: permissions.subscribe } };
    const nats = { pub: {}, sub: {}, ...allow, ...unlimited, type: 'user', version: 2 };
    const line = (what: string, text: string) => `-----BEGIN ${what}-----\n${text}\n------END ${what}------\n`;
    return `${line('NATS USER JWT', tokenFor(user, name, nats, this.#account))}\n${line('USER NKEY SEED', user.seed)}`;
  }
}

function checked(prefix: number[], bytes: Buffer): string {
  const all = Buffer.from([...prefix, ...bytes]);
  const sum = crc16(all);
  return base32(Buffer.from([...all, sum & 255, sum >> 8]));
}

/** CRC-16/XMODEM. */
function crc16(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

function base32(bytes: Buffer): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five.padEnd(5, '0'), 2)])
    .join('');
}
