import { expect, test } from 'vitest';
import { CleanupStack } from '../../../src/bpf/load/cleanup-stack.ts';

const resource = (name: string, closed: string[]) => ({ close: () => closed.push(name) });

test('closes every resource once, in reverse order', () => {
  const closed: string[] = [];
  const stack = new CleanupStack();
  const first = resource('first', closed);
  expect(stack.use(first)).toBe(first);
  stack.defer(() => closed.push('step'));
  stack.use(resource('last', closed));
  stack.close();
  stack.close();
  expect(closed).toEqual(['last', 'step', 'first']);
});

test('closes the resources when a constructor throws, but not after move()', () => {
  const closed: string[] = [];
  class Opened {
    readonly owner: CleanupStack;
    constructor(fails: boolean) {
      using opened = new CleanupStack();
      opened.use(resource('resource', closed));
      if (fails) throw new Error('no ring');
      this.owner = opened.move();
    }
  }
  expect(() => new Opened(true)).toThrow('no ring');
  expect(closed).toEqual(['resource']);
  const { owner } = new Opened(false);
  expect(closed).toEqual(['resource']);
  owner.close();
  expect(closed).toEqual(['resource', 'resource']);
});

test('closes the other resources even when one throws', () => {
  const closed: string[] = [];
  const stack = new CleanupStack();
  stack.use(resource('first', closed));
  stack.defer(() => {
    throw new Error('stuck');
  });
  stack.use(resource('last', closed));
  expect(() => stack.close()).toThrow('stuck');
  expect(closed).toEqual(['last', 'first']);
});
