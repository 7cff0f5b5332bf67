/** One step to take, and its reason: two sentences. */
export type Advice = { do: string; because: string };
