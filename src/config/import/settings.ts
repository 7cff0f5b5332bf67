export function settings(text: string, line: RegExp): Map<string, string> {
  const found = text.split('\n').flatMap((each) => {
    const [, name, value] = /^\s*[#;]/.test(each) ? [] : (line.exec(each) ?? []);
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  });
  return new Map(found);
}
