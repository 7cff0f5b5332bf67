/** The listeners of a process: features that are configured with the same address share one. */
import { type Address, parseAddress, showAddress } from './address.ts';
import { Listener, type ListenerOptions } from './listener.ts';

export class Listeners implements AsyncDisposable {
  readonly #open = new Map<string, Listener>();
  readonly #readiness: Readonly<Record<string, () => string | undefined>>;

  /** @param readiness conditions of /readyz of every listener, by part: see {@link Listener.addReadiness} */
  constructor(readiness: Readonly<Record<string, () => string | undefined>> = {}) {
    this.#readiness = readiness;
  }

  /**
   * Opens a listener, or returns the one at this address. In the latter case only the option `token` has an effect, and
   * only if the listener has no token yet.
   *
   * @param what the option that has the address, for messages: "metrics.listen"
   * @throws OomscopeError USAGE: no address; LISTEN: see {@link Listener.open}
   */
  async at(text: string, what: string, options: Omit<ListenerOptions, 'address'> = {}): Promise<Listener> {
    const address: Address = parseAddress(text, what);
    const key = showAddress(address);
    const known = this.#open.get(key);
    if (known && options.token !== undefined) known.requireToken(options.token);
    if (known) return known;
    const listener = await Listener.open({ ...options, address });
    for (const [part, check] of Object.entries(this.#readiness)) listener.addReadiness(part, check);
    this.#open.set(key, listener);
    return listener;
  }

  /** Closes all listeners within about 500 ms. */
  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((listener) => listener.close()));
    this.#open.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
