/**
 * The fleet: the events of many machines from NATS JetStream, as RxJS streams. Needs `rxjs`.
 *
 * ```ts
 * import { openFleet } from 'oomscope/fleet';
 *
 * const fleet = await openFleet({ servers: ['nats://127.0.0.1:4222'] });
 * fleet.incidents$.subscribe(({ message }) => console.log(message));
 * ```
 */
export type * from '../model/fleet.ts';
export type { FleetCounts } from './counts.ts';
export type { FleetEvent } from './fleet-event.ts';
export type { Incident } from './incidents.ts';
export type { NodeView } from './nodes.ts';
export { type Fleet, openFleet } from './open-fleet.ts';
export type { FleetOptions, FleetState } from './options.ts';
