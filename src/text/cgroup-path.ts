/** Paths of cgroups: below the mount point of their hierarchy, as in /proc/PID/cgroup; "/" is the root. */

/** Is the path this ancestor's own, or below it? null, an unknown path, is not. */
export function isWithin(path: string | null, ancestor: string): boolean {
  return path !== null && (ancestor === '/' || path === ancestor || path.startsWith(`${ancestor}/`));
}

/** The path itself and those above it, up to "/". */
export function cgroupAncestors(path: string): string[] {
  const paths = [path];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) paths.push(path.slice(0, at));
  if (path !== '/') paths.push('/');
  return paths;
}
