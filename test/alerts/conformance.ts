/** The behaviour that every sink must have. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sink } from '../../src/alerts/sinks/sink.ts';
import type { Receipt } from '../../src/model/receipt.ts';
import { anAlert, HOSTILE, resolved } from './alerts.ts';
import { until } from './receiver.ts';

/** A sink and its receiver. */
export interface Rig {
  sink: Sink;
  /** The text of each alert that the receiver got, in order. */
  received: () => string[] | Promise<string[]>;
  /** A secret in the sink's options, which must never be printed. */
  secret?: string;
  /** Stop and restart the receiver. */
  down?: () => unknown;
  up?: () => unknown;
  /** From now on the receiver accepts connections and never answers. */
  hang?: () => unknown;
  /** True when the receiver shows only firing alerts, as Alertmanager does. */
  forgets?: boolean;
  stop: () => unknown;
}

/** The failures that the receiver of this sink can have. */
export interface Traits {
  unavailable?: string | undefined;
  mayBeDown: boolean;
  mayHang: boolean;
}

export function conforms(name: string, { unavailable, mayBeDown, mayHang }: Traits, start: () => Promise<Rig>): void {
  describe.skipIf(unavailable)(name, () => {
    let rig: Rig;
    beforeEach(async () => {
      rig = await start();
    });
    afterEach(async () => {
      await rig.sink.close?.();
      await rig.stop();
    });

    const never = new AbortController().signal;
    const deliver = (alert = anAlert(), signal = never): Promise<Receipt> => rig.sink.deliver(alert, signal);

    it('delivers each alert once and in order, and then its end', async () => {
      const [one, two, three] = [anAlert(), anAlert(), anAlert()];
      for (const alert of [one, two, three]) expect((await deliver(alert)).outcome).toBe('delivered');
      await until(async () => (await rig.received()).length >= 3);
      const received = await rig.received();
      expect(received).toHaveLength(3);
      // A receiver that keeps states instead of messages has no order.
      const inOrder = (i: number) => (rig.forgets ? received.join('\n') : received[i]);
      for (const [i, { title }] of [one, two, three].entries()) expect(inOrder(i)).toContain(title);
      expect((await deliver(resolved(two))).outcome).toBe('delivered');
      await until(async () => (await rig.received()).length === (rig.forgets ? 2 : 4));
    });

    it('sends one message for an alert whose names are hostile', async () => {
      const cgroup = `/${HOSTILE}`;
      const labels = { ...anAlert().labels, cgroup };
      expect((await deliver(anAlert({ title: `first ${HOSTILE}`, message: HOSTILE, labels }))).outcome).toBe(
        'delivered',
      );
      expect((await deliver(anAlert({ title: 'second' }))).outcome).toBe('delivered');
      await until(async () => (await rig.received()).length >= 2);
      const received = await rig.received();
      expect(received).toHaveLength(2);
      const [first, second] = rig.forgets ? received.toSorted() : received;
      expect(first).toContain('first x');
      expect(second).toContain('second');
    });

    it('reports the outcome of a delivery without showing the secret', async () => {
      const said = [rig.sink.name, (await deliver()).reply];
      if (mayBeDown) {
        await rig.down?.();
        said.push((await deliver()).reply);
      }
      for (const text of said) {
        expect(text).toMatch(/^[^\p{Cc}]+$/u);
        if (rig.secret) expect(text).not.toContain(rig.secret);
      }
    });

    if (mayBeDown) {
      it('asks for a retry while the receiver is down, and delivers when it is back', async () => {
        await rig.down?.();
        const alert = anAlert();
        expect((await deliver(alert)).outcome).toBe('retry');
        await rig.up?.();
        expect((await deliver(alert)).outcome).toBe('delivered');
        await until(async () => (await rig.received()).length > 0);
        expect(await rig.received()).toHaveLength(1);
      });
    }

    if (mayHang) {
      it('ends a delivery at its timeout when the receiver hangs', async () => {
        await rig.hang?.();
        const receipt = await deliver(anAlert(), AbortSignal.timeout(100));
        expect(receipt.outcome).not.toBe('delivered');
        expect(receipt.reply).toMatch(/in time/);
      });
    }

    it('can be closed twice', async () => {
      await deliver();
      await rig.sink.close?.();
      await rig.sink.close?.();
    });
  });
}
