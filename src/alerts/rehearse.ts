import { alertOf } from '../model/alert.ts';
import type { Event } from '../model/events.ts';
import { Episodes } from './episodes.ts';

/** Makes the alert of an event that did not happen, and drops it: its key is remembered nowhere, and no sink hears of it. Never throws. */
export function rehearseAlert(event: Event): void {
  try {
    const alert = alertOf(event);
    if (alert) new Episodes().next(alert, Date.now());
  } catch {
    // A fault that matters comes again with a real alert, and is reported then.
  }
}
