/** One piece of advice: what to do, and why. */
export type Advice = { do: string; because: string };
