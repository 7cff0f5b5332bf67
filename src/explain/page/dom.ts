/** The few parts of a browser that the page uses: the project is compiled without the types of browsers. */

export interface PageElement {
  id: string;
  innerHTML: string;
  textContent: string | null;
  value: string;
  files: ArrayLike<PageFile> | null;
  open: boolean;
  tabIndex: number;
  readonly dataset: Record<string, string | undefined>;
  readonly classList: { toggle(name: string, on: boolean): void };
  closest(selector: string): PageElement | null;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): ArrayLike<PageElement>;
  getAttribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
  focus(options?: { preventScroll: boolean }): void;
  scrollIntoView(options?: { block: 'nearest' | 'start' }): void;
  addEventListener(type: string, listener: (event: PageEvent) => void, capture?: boolean): void;
}

export interface PageFile extends Blob {
  readonly name: string;
}

export interface PageEvent {
  readonly target: PageElement;
  readonly key?: string;
  readonly ctrlKey?: boolean;
  readonly metaKey?: boolean;
  readonly dataTransfer?: { files: ArrayLike<PageFile>; getData(type: string): string };
  readonly relatedTarget?: PageElement | null;
  preventDefault(): void;
}

interface PageDocument extends Pick<PageElement, 'addEventListener' | 'querySelectorAll'> {
  title: string;
  body: PageElement;
  getElementById(id: string): PageElement | null;
}

interface Browser {
  document: PageDocument;
  location: { hash: string };
  matchMedia(query: string): { matches: boolean };
  addEventListener(type: string, listener: () => void): void;
}

export const browser = globalThis as unknown as Browser;

/** @throws Error the page has no element with this id */
export function element(id: string): PageElement {
  const found = browser.document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found;
}
