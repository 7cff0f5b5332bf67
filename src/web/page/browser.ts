/** The parts of a browser that the page uses besides those of explain/page/dom.ts. */
import type { browser as common, PageElement } from '../../explain/page/dom.ts';

export interface WebElement extends PageElement {
  readonly clientWidth: number;
  readonly elements: ArrayLike<{ name: string; value: string }>;
  append(...nodes: unknown[]): void;
  remove(): void;
}

interface Web {
  document: typeof common.document & {
    documentElement: WebElement;
    visibilityState: string;
    activeElement: WebElement | null;
  };
  location: { hash: string; origin: string };
  history: { replaceState(state: null, unused: string, url: string): void };
  sessionStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
  matchMedia(query: string): { matches: boolean; addEventListener(type: 'change', listener: () => void): void };
  addEventListener(type: string, listener: () => void): void;
  getComputedStyle(element: WebElement): { getPropertyValue(name: string): string };
  requestAnimationFrame(act: () => void): void;
}

export const web = globalThis as unknown as Web;

/** @throws Error the page has no element with this id */
export function byId(id: string): WebElement {
  const found = web.document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found as WebElement;
}

/** A colour of the style sheet, for what is drawn on a canvas. */
export const colour = (name: string): string =>
  web.getComputedStyle(web.document.documentElement).getPropertyValue(`--${name}`).trim();
