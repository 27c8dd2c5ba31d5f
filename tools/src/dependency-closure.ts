import type { Lockfile } from './lockfile.ts';

/** A package that a workspace resolves to, however far away it was asked for. */
export interface ResolvedPackage {
  readonly name: string;
  /** In the lock and below the root: `node_modules/a/node_modules/b`. */
  readonly path: string;
  readonly version: string;
  /** The lock says that it wants to run a script at its installation. */
  readonly hasInstallScript: boolean;
}

/**
 * Everything that the workspaces depend on at run time, directly or through others, as Node finds it with this lock. The
 * repository's own workspaces (links in the lock) are followed and not listed. Optional packages count: they are there
 * where the platform fits.
 * @throws Error when the lock lacks a package that one of them names.
 */
export function dependencyClosure(lock: Lockfile, workspaces: readonly string[]): ResolvedPackage[] {
  const found = new Map<string, ResolvedPackage>();
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [name, optional] of wanted(lock, path)) {
      const at = locate(lock, path, name);
      const entry = at === null ? undefined : lock.packages[at];
      if (at === null || entry === undefined) {
        if (optional) continue;
        throw new Error(`the lock has no ${name} for ${path}`);
      }
      if (entry['link'] === true) {
        visit(String(entry['resolved']));
        continue;
      }
      const hasInstallScript = entry['hasInstallScript'] === true;
      found.set(at, { name, path: at, version: String(entry['version']), hasInstallScript });
      visit(at);
    }
  };
  for (const workspace of workspaces) visit(workspace);
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Names that a package asks for, and whether it does without. */
function wanted(lock: Lockfile, path: string): [name: string, optional: boolean][] {
  const entry = lock.packages[path];
  if (!entry) throw new Error(`the lock has no ${path}`);
  const names = (section: string): string[] => Object.keys(entry[section] ?? {});
  const meta = (entry['peerDependenciesMeta'] ?? {}) as Record<string, { optional?: boolean }>;
  return [
    ...names('dependencies').map((name): [string, boolean] => [name, false]),
    ...names('peerDependencies').map((name): [string, boolean] => [name, meta[name]?.optional === true]),
    ...names('optionalDependencies').map((name): [string, boolean] => [name, true]),
  ];
}

/** Looks a name up as Node does: below the package, beside it, then outwards. */
function locate(lock: Lockfile, path: string, name: string): string | null {
  for (let at = path; ; at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '') {
    const place = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (lock.packages[place] !== undefined) return place;
    if (at === '') return null;
  }
}
