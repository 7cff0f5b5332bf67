/**
 * The pause before the next attempt, in ms. It doubles with each failure in a row up to a limit, and each pause is
 * shortened at random by up to a half, so that many senders do not retry at the same moment.
 *
 * @param failures failed attempts in a row, from 1
 */
export const backoffMs = (failures: number, firstMs: number, mostMs: number): number =>
  Math.min(firstMs * 2 ** (failures - 1), mostMs) * (1 - Math.random() / 2);
