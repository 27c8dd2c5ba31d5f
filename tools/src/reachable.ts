import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { parseSource } from './parse-source.ts';
import { repoRoot } from './repo-files.ts';

export interface Reachable {
  /** Text by path (absolute) of every file that runs, of this repository and of packages. */
  readonly files: ReadonlyMap<string, string>;
  /** Modules of Node that they import, with one of the files that does. */
  readonly nodeModules: ReadonlyMap<string, string>;
}

/** Everything that is loaded when these files are, by their imports, packages included; what is only a type is not loaded. */
export function reachableFrom(...paths: readonly string[]): Reachable {
  const files = new Map<string, string>();
  const nodeModules = new Map<string, string>();
  const open = paths.map((path) => join(repoRoot, path));
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(file)) continue;
    const text = readFileSync(file, 'utf8');
    files.set(file, text);
    for (const { specifier, typeOnly } of parseSource(file, text).imports) {
      if (typeOnly) continue;
      if (specifier === undefined) throw new Error(`${file} imports what it computes`);
      const found = resolve(file, specifier);
      if (found.startsWith('node:')) nodeModules.set(found, file);
      else open.push(found);
    }
  }
  return { files, nodeModules };
}

function resolve(from: string, specifier: string): string {
  const found = createRequire(from).resolve(specifier);
  // A module of Node without its prefix resolves to its own name.
  return isAbsolute(found) ? found : `node:${found.replace(/^node:/, '')}`;
}
