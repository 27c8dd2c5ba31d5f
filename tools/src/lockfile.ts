/** The parts of a package-lock.json (version 3) that are read here. */
export interface Lockfile {
  readonly packages: Record<string, { optionalDependencies?: Record<string, string>; [key: string]: unknown }>;
}

/**
 * Optional packages that the lock names without holding: builds for other platforms that the registry did not have when
 * the lock was written. `npm ci` refuses such a lock.
 * @returns pairs of the path of the package that names one and its name.
 */
export function absentOptionals(lock: Lockfile): [path: string, name: string][] {
  return Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !isHeld(lock, path, name))
      .map((name): [string, string] => [path, name]),
  );
}

/** Takes them out of the lock. The packages that would have used them run on none of our platforms through them. */
export function withoutAbsentOptionals(lock: Lockfile): Lockfile {
  const pruned = structuredClone(lock);
  for (const [path, name] of absentOptionals(lock)) delete pruned.packages[path]?.optionalDependencies?.[name];
  return pruned;
}

/** Looks a name up as Node does: beside the package, then outwards. */
function isHeld(lock: Lockfile, path: string, name: string): boolean {
  for (let at = path; ; at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '') {
    if (lock.packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true;
    if (at === '') return false;
  }
}
