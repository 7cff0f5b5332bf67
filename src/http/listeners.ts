/** The listeners of a process: features that are configured with the same address share one. */
import { type Address, parseAddress, showAddress } from './address.ts';
import { Listener, type ListenerOptions } from './listener.ts';

export class Listeners implements AsyncDisposable {
  readonly #open = new Map<string, Listener>();

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
    const listener = known ?? (await Listener.open({ ...options, address }));
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
