export const markdown = (..._: unknown[]) => '';
