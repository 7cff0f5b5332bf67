/** A connection that is kept for the life of the process: the first attempts, and the state after that. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { backoffMs } from '../events/backoff.ts';
import { OomscopeError } from '../model/error.ts';
import { connect, reasonOf, serverProblem, shown } from '../nats/connect.ts';
import type { ServerOptions } from '../nats/server-options.ts';

export interface LinkHooks {
  onUp: (connection: NatsConnection) => void;
  onDown: (reason: string) => void;
  /** The server has refused something after the connection: a permission, for example. */
  onRefusal: (error: Error) => void;
}

const FIRST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 30_000;

export class Link {
  isUp = false;
  connection: NatsConnection | undefined;
  readonly #options: ServerOptions;
  readonly #name: string;
  readonly #inbox: string;
  readonly #hooks: LinkHooks;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  /** @param name and `inbox`: see connect() */
  constructor(options: ServerOptions, name: string, inbox: string, hooks: LinkHooks) {
    this.#options = options;
    this.#name = name;
    this.#inbox = inbox;
    this.#hooks = hooks;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.isUp = false;
    await this.connection?.close().catch(() => {});
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#end;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const connection = await connect(this.#options, this.#name, this.#inbox);
        if (signal.aborted) return await connection.close();
        failures = 0;
        await this.#follow(connection);
        if (!signal.aborted) this.#down(`${shown(this.#options)}: the connection was closed`);
      } catch (error) {
        this.#down(error instanceof OomscopeError ? error.message : `${shown(this.#options)}: ${reasonOf(error)}`);
      }
      await sleep(backoffMs(++failures, FIRST_PAUSE_MS, MOST_PAUSE_MS), undefined, { signal }).catch(() => {});
    }
  }

  /** Resolves when the connection is closed for good. */
  async #follow(connection: NatsConnection): Promise<void> {
    this.connection = connection;
    const statuses = connection.status();
    this.#up(connection);
    const refusals = (async () => {
      for await (const status of statuses) {
        if (status.type === 'disconnect') this.#down(`${shown(this.#options)}: the connection broke`);
        else if (status.type === 'reconnect') this.#up(connection);
        else if (status.type === 'error') this.#hooks.onRefusal(status.error);
      }
    })();
    await connection.closed();
    await refusals;
    this.connection = undefined;
  }

  #up(connection: NatsConnection): void {
    const problem = serverProblem(connection);
    if (problem !== undefined) {
      this.#down(`${shown(this.#options)}: ${problem}`);
      return;
    }
    this.isUp = true;
    this.#hooks.onUp(connection);
  }

  #down(reason: string): void {
    this.isUp = false;
    this.#hooks.onDown(reason);
  }
}
