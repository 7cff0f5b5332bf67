/**
 * The state of a node in the key-value bucket: who the node is, and how it is. Types only, for the library's users, who do not have the
 * types of the client of NATS.
 */

/** The value in the bucket. null: unknown or none. */
export interface NodeState {
  schema: 'oomscope/node/v1';
  node: string;
  cluster: string;
  machine: string;
  boot_id: string | null;
  version: string;
  kernel: string;
  capabilities: string[];
  /** The process that publishes; a new one has another. */
  run: string;
  /** How often this value is written, in seconds. */
  every_seconds: number;
  /** The node's clock when it wrote this: RFC 3339. */
  time: string;
  last_event: { id: string; type: string; time: string } | null;
  last_kill: { id: string; time: string; message: string } | null;
  /** Kills and acts of the guard since the process started. */
  kills: number;
  guard_kills: number;
  /** Records and events that were lost before they became events, by place. */
  lost: Record<string, number>;
  /** Percent of the last 10 s in which tasks waited for memory: some and full. null: the kernel has no PSI. */
  pressure: { some: number; full: number } | null;
  /** Events that were published, folded, dropped, and that wait. */
  published: number;
  folded: number;
  dropped: number;
  waiting: number;
  /** The node has stopped publishing on purpose. */
  goodbye: boolean;
}
