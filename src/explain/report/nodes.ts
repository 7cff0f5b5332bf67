/** Parses a list of NUMA nodes as the kernel prints it: "0-1,3". */
export function nodeList(text: string | null): Set<number> {
  const nodes = new Set<number>();
  for (const range of text?.split(',') ?? []) {
    const [, first, last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(range) ?? [];
    for (let node = Number(first); node <= Number(last); node++) nodes.add(node);
  }
  return nodes;
}
