/** Paths of cgroups, as in /proc/PID/cgroup: relative to the mount point of the hierarchy; "/" is the root. */

/** True when `path` is `ancestor` or below it; false for an unknown path (null). */
export function isWithin(path: string | null, ancestor: string): boolean {
  return path !== null && (ancestor === '/' || path === ancestor || path.startsWith(`${ancestor}/`));
}

/** The path itself and the paths of all its ancestors, up to "/". */
export function cgroupAncestors(path: string): string[] {
  const paths = [path];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) paths.push(path.slice(0, at));
  if (path !== '/') paths.push('/');
  return paths;
}
