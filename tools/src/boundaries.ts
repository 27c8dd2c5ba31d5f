import { posix } from 'node:path';
import { parseSource, type ImportSite } from './parse-source.ts';
import { readTexts, repoFiles } from './repo-files.ts';
import { isTest, layerRules, mayImport, pathRules, stage, type Target } from './boundary-rules.ts';

export interface Violation {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** What the check reads, by path relative to the root. */
export interface BoundaryInput {
  /** Text of every source file. */
  readonly sources: ReadonlyMap<string, string>;
  /** Text of the root's and the workspaces' package.json. */
  readonly manifests: ReadonlyMap<string, string>;
}

/** Reads every TypeScript file of the checkout, committed or not, and every package.json of root and workspaces. */
export function readBoundaryInput(root: string): BoundaryInput {
  const paths = repoFiles(root);
  return {
    sources: readTexts(
      root,
      paths.filter((path) => /\.tsx?$/.test(path)),
    ),
    manifests: readTexts(
      root,
      paths.filter((path) => /^([^/]+\/)?package\.json$/.test(path)),
    ),
  };
}

interface Edge {
  readonly from: string;
  readonly site: ImportSite;
  readonly target: Target;
}

/**
 * Checks every import of the given files against the tables of boundary-rules.ts.
 * @returns the files that were read, so that the caller can tell that none was missed, and the violations.
 */
export function checkBoundaries(input: BoundaryInput): { filesRead: number; violations: Violation[] } {
  const violations: Violation[] = [];
  const edges: Edge[] = [];
  for (const [path, text] of input.sources) {
    const facts = parseSource(path, text);
    if (/(^|\/)index\.tsx?$/.test(path) || facts.onlyReExports) {
      violations.push({ rule: 'no barrels', path, line: 1, message: 'import from the file that holds the code' });
    }
    for (const site of facts.imports) {
      if (site.specifier !== undefined) edges.push({ from: path, site, target: resolve(path, site.specifier) });
      else if (!computedImports.has(path)) {
        violations.push({ rule: 'literal imports', path, line: site.line, message: 'import() of an expression' });
      }
    }
  }
  for (const edge of edges) violations.push(...checkEdge(edge, input.manifests));
  violations.push(...checkInspectors(edges));
  return { filesRead: input.sources.size, violations };
}

/** The only files that may import what they compute. */
const computedImports = new Set(['bench/src/main.ts']);

function checkEdge(edge: Edge, manifests: ReadonlyMap<string, string>): Violation[] {
  const { from, target, site } = edge;
  const violation = (rule: string, message: string): Violation => ({ rule, path: from, line: site.line, message });
  const found: Violation[] = [];
  const own = workspaceOf(from);

  if (target.kind === 'file') {
    const other = workspaceOf(target.path);
    if (other !== own && target.byPath && !stage.test(target.path))
      found.push(violation('workspaces by name', `${target.path} by a relative path`));
    if (other !== own && !mayImport[own]?.some((allowed) => allowed.test(target.path))) {
      found.push(violation('workspace table', `${own} must not import ${target.path}`));
    }
    if (own === 'core' && other === 'core') found.push(...checkLayers(edge));
    if (isTest(target.path) && !isTest(from)) found.push(violation('no tests in production', target.path));
  }
  const name = target.kind === 'package' ? target.name : target.kind === 'file' ? target.packageName : undefined;
  if (name !== undefined && !declares(own, name, isTest(from), manifests)) {
    found.push(violation('declared packages', `${own}/package.json does not list ${name}`));
  }
  for (const rule of pathRules) {
    if (!rule.from.test(from) || rule.exceptFrom?.test(from) || (rule.typesAllowed && site.typeOnly)) continue;
    const text = target.kind === 'file' ? target.path : target.kind === 'node' ? `node:${target.name}` : target.name;
    if (rule.to.test(text)) found.push(violation(rule.name, `${text}: ${rule.why}`));
  }
  return found;
}

/** A file of core may import its own folder, the leaves, and folders of lower layers. */
function checkLayers({ from, target, site }: Edge): Violation[] {
  if (target.kind !== 'file' || layerRules.leaf.test(target.path)) return [];
  const fromFolder = coreFolder(from);
  const toFolder = coreFolder(target.path);
  if (fromFolder === toFolder) return [];
  const fromLayer = layerRules.leaf.test(from) ? -1 : layerRules.order.findIndex((layer) => layer.includes(fromFolder));
  const toLayer = layerRules.order.findIndex((layer) => layer.includes(toFolder));
  const at = { path: from, line: site.line };
  const unknown = [fromFolder, toFolder].find((folder) => !layerRules.order.flat().includes(folder));
  if (unknown !== undefined && !layerRules.leaf.test(from)) {
    return [{ rule: 'core layers', ...at, message: `core/src/${unknown} has no place in the table of layers` }];
  }
  if (layerRules.leafMayImport.includes(toFolder) && fromLayer === -1) return [];
  const sideways = layerRules.sideways[fromFolder]?.includes(toFolder) ?? false;
  if (toLayer < fromLayer || sideways) return [];
  return [{ rule: 'core layers', ...at, message: `core/src/${fromFolder} must not import ${target.path}` }];
}

/** The signer must not check a transaction with the code that built it, however many files lie between them. */
function checkInspectors(edges: readonly Edge[]): Violation[] {
  const byFile = Map.groupBy(edges, (edge) => edge.from);
  const found: Violation[] = [];
  for (const start of byFile.keys()) {
    if (!/\/inspect[^/]*\.ts$/.test(start) || isTest(start)) continue;
    const via = new Map<string, string>([[start, '']]);
    for (const path of via.keys()) {
      if (/\/build[^/]*\.ts$/.test(path)) {
        found.push({ rule: 'inspect without build', path: start, line: 1, message: chain(path, via).join(' <- ') });
        continue;
      }
      for (const { target, site } of byFile.get(path) ?? []) {
        if (target.kind === 'file' && !site.typeOnly && !via.has(target.path)) via.set(target.path, path);
      }
    }
  }
  return found;
}

function chain(path: string, via: ReadonlyMap<string, string>): string[] {
  const steps: string[] = [];
  for (let step = path; step !== ''; step = via.get(step) ?? '') steps.push(step);
  return steps;
}

function resolve(from: string, specifier: string): Target {
  if (specifier.startsWith('.')) {
    return { kind: 'file', path: posix.normalize(posix.join(posix.dirname(from), specifier)), byPath: true };
  }
  if (specifier.startsWith('node:')) return { kind: 'node', name: specifier.slice('node:'.length) };
  const parts = specifier.split('/');
  const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
  if (!name.startsWith('@holdfast/')) return { kind: 'package', name };
  // The exports of every workspace: `./*` is `./src/*`.
  const path = posix.join(name.slice('@holdfast/'.length), 'src', ...parts.slice(2));
  return { kind: 'file', path, byPath: false, packageName: name };
}

function declares(workspace: string, name: string, inTest: boolean, manifests: ReadonlyMap<string, string>): boolean {
  const lists = (path: string, sections: readonly string[]): boolean => {
    const manifest = JSON.parse(manifests.get(path) ?? '{}') as Record<string, Record<string, string> | undefined>;
    return sections.some((section) => manifest[section]?.[name] !== undefined);
  };
  if (workspace !== '' && lists(`${workspace}/package.json`, ['dependencies', 'optionalDependencies'])) return true;
  if (inTest && workspace !== '' && lists(`${workspace}/package.json`, ['devDependencies'])) return true;
  // The tools of the whole repository (vitest, fast-check) are the root's.
  return (inTest || workspace === '') && lists('package.json', ['devDependencies']);
}

function workspaceOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

function coreFolder(path: string): string {
  return path.split('/')[2] ?? '';
}
