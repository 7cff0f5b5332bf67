/**
 * An event as a reader of the fleet gets it: with its node, its number and the server's times. Types only, for the library's users, who do
 * not have the types of the client of NATS.
 */
import type { Event } from '../model/events.ts';

/** One event of the fleet. */
export interface FleetEvent {
  /** The event as the node has published it. */
  event: Event;
  /** The cluster of the node, as a token of subjects. */
  cluster: string;
  /** The name of the node, as a token of subjects. */
  node: string;
  /** The name of the node, as it was given. */
  name: string;
  /** A hash of the node's machine id, which tells two nodes of one name apart. null: unknown. */
  machine: string | null;
  /** The process that published the event. null: not published by oomscope. */
  run: string | null;
  /** Number of the event among those of this process, from 0 without a gap. null: not published by oomscope. */
  number: number | null;
  /**
   * A number of this process: when it sent this event, each of its events below that number was in the stream or lost for
   * good. null: unknown.
   */
  settled: number | null;
  /** True: later events of its process were emitted before it, because it came after the reader's wait. */
  late: boolean;
  /** The event's number in the stream. */
  sequence: number;
  /** When the server stored the event, in ms since 1970, by the server's clock. */
  storedMs: number;
  /** When the event happened, in ms since 1970, by the server's clock: independent of the node's clock. */
  happenedMs: number;
  /** The server's clock minus the node's clock, in ms, with the time that the message took. null: unknown. */
  skewMs: number | null;
  /** Fields that were moved out because the message was too large. */
  movedOut: string[];
}
