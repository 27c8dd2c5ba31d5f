import { parseSync } from 'oxc-parser';

/** One place where a file names another module. */
export interface ImportSite {
  /** The text between the quotes; undefined for `import(expression)`. */
  readonly specifier: string | undefined;
  /** True when nothing of it is left at run time. */
  readonly typeOnly: boolean;
  /** `export ... from`. */
  readonly reExport: boolean;
  readonly line: number;
}

export interface FunctionSite {
  /** Name of the function, or of the variable or property that holds it, else `anonymous`. */
  readonly name: string;
  readonly line: number;
  /** Its own lines; those of a function inside it are that function's. */
  readonly lines: number;
}

export interface SourceFacts {
  readonly imports: readonly ImportSite[];
  readonly functions: readonly FunctionSite[];
  /** True when every statement is a re-export: the file is a barrel. */
  readonly onlyReExports: boolean;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/**
 * What the checks of this folder need to know of one TypeScript file, from a real parser.
 * @throws Error when the file is not valid TypeScript.
 */
export function parseSource(path: string, text: string): SourceFacts {
  const parsed = parseSync(path, text, { lang: path.endsWith('x') ? 'tsx' : 'ts', sourceType: 'module' });
  const broken = parsed.errors.find((error) => error.severity === 'Error');
  if (broken) throw new Error(`${path}: ${broken.message}`);

  const lineOf = lineCounter(text);
  const imports: ImportSite[] = [];
  const functions: { name: string; line: number; lines: number; end: number }[] = [];
  const program = parsed.program as unknown as Node;
  walk(program, undefined, (node, parent) => {
    const site = importOf(node);
    if (site) imports.push({ ...site, line: lineOf(node.start) });
    if (isFunction(node)) {
      const line = lineOf(node.start);
      const lines = lineOf(node.end) - line + 1;
      // The walk meets a function before those inside it, so the last one that has not ended is the one around.
      const around = functions.findLast((site) => site.end >= node.end);
      if (around) around.lines -= lines - 1;
      functions.push({ name: functionName(node, parent), line, lines, end: node.end });
    }
  });
  const body = program['body'] as Node[];
  const onlyReExports = body.length > 0 && body.every((statement) => importOf(statement)?.reExport === true);
  return { imports, functions, onlyReExports };
}

function importOf(node: Node): Omit<ImportSite, 'line'> | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
      return { specifier: literal(node['source']), typeOnly: isTypeOnly(node, 'importKind'), reExport: false };
    case 'ExportAllDeclaration':
      return { specifier: literal(node['source']), typeOnly: node['exportKind'] === 'type', reExport: true };
    case 'ExportNamedDeclaration':
      if (!node['source']) return undefined;
      return { specifier: literal(node['source']), typeOnly: isTypeOnly(node, 'exportKind'), reExport: true };
    case 'ImportExpression':
      return { specifier: literal(node['source']), typeOnly: false, reExport: false };
    case 'TSImportType':
      return { specifier: literal(node['source'] ?? node['argument']), typeOnly: true, reExport: false };
    case 'TSExternalModuleReference':
      return { specifier: literal(node['expression']), typeOnly: false, reExport: false };
    case 'CallExpression': {
      const callee = node['callee'] as Node;
      if (callee.type !== 'Identifier' || callee['name'] !== 'require') return undefined;
      return { specifier: literal((node['arguments'] as Node[])[0]), typeOnly: false, reExport: false };
    }
    default:
      return undefined;
  }
}

/** `import type {...}`, or `import { type A, type B }`; a bare `import './x.ts'` runs the module. */
function isTypeOnly(node: Node, kind: 'importKind' | 'exportKind'): boolean {
  if (node[kind] === 'type') return true;
  const specifiers = (node['specifiers'] ?? []) as Node[];
  return specifiers.length > 0 && specifiers.every((specifier) => specifier[kind] === 'type');
}

function literal(node: unknown): string | undefined {
  const value = isNode(node) ? (node['literal'] ?? node) : undefined;
  return isNode(value) && typeof value['value'] === 'string' ? value['value'] : undefined;
}

function isFunction(node: Node): boolean {
  const kinds = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'];
  return kinds.includes(node.type) && isNode(node['body']);
}

function functionName(node: Node, parent: Node | undefined): string {
  for (const holder of [node['id'], parent?.['id'], parent?.['key']]) {
    if (isNode(holder) && typeof holder['name'] === 'string') return holder['name'];
  }
  return 'anonymous';
}

function walk(node: Node, parent: Node | undefined, visit: (node: Node, parent: Node | undefined) => void): void {
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, node, visit);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Node>).type === 'string';
}

/** Line of an offset in UTF-16 units, from 1. */
function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}
