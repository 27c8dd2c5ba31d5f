import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bannedTexts, verbatim } from './banned-text.ts';
import { parseSource } from './parse-source.ts';
import { repoFiles } from './repo-files.ts';

/** Lines of a source file. Aim at 300. */
export const fileLinesMax = 400;
/** Lines of a function outside the tests, the functions inside it not counted. */
export const functionLinesMax = 70;
/** Bytes of any file, unless listed here with its own cap. */
export const fileBytesMax = 200_000;
const fileBytesMaxOf: Readonly<Record<string, number>> = {
  'package-lock.json': 600_000,
  'docs/openapi.json': 400_000,
};

const source = /\.(ts|tsx|sol|sql|sh|css)$/;
const generated = /^(contracts\/artifacts\/|server\/openapi\.json$)/;
/** They name what they ban, and plant it. */
const self = /^tools\/src\/(banned-text|tidy|tidy\.test)\.ts$/;

/** tools/ratchet.json: what was over a cap when the cap came. An entry may shrink or go, never grow or come. */
export interface Ratchet {
  /** Lines by path. */
  readonly files: Readonly<Record<string, number>>;
  /** Lines by `path#function`. */
  readonly functions: Readonly<Record<string, number>>;
}

export interface TidyInput {
  /** Content of every file by path. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly ratchet: Ratchet;
  /** The ratchet as last committed, when there is one. */
  readonly ratchetBefore?: Ratchet | undefined;
}

export interface Untidiness {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Reads every file of the checkout, committed or not. */
export function readTidyInput(root: string): TidyInput {
  const files = new Map(repoFiles(root).map((path) => [path, readFileSync(join(root, path))]));
  const ratchet = files.get(ratchetPath);
  return {
    files,
    ratchet: ratchet ? (JSON.parse(ratchet.toString()) as Ratchet) : { files: {}, functions: {} },
    ratchetBefore: committedRatchet(root),
  };
}

/** Checks every file. @returns what is to be tidied, empty when nothing is. */
export function checkTidy(input: TidyInput): Untidiness[] {
  const found: Untidiness[] = [];
  const over = { files: new Map<string, number>(), functions: new Map<string, number>() };
  for (const [path, content] of input.files) {
    const cap = fileBytesMaxOf[path] ?? fileBytesMax;
    if (content.length > cap) {
      found.push({ rule: 'file size', path, line: 1, message: `${content.length} bytes, the cap is ${cap}` });
    }
    if (content.includes(0)) continue;
    const text = content.toString('utf8');
    if (text !== '' && !text.endsWith('\n') && !verbatim.test(path)) {
      found.push({ rule: 'last line', path, line: 1, message: 'end the file with a line feed' });
    }
    if (!self.test(path)) found.push(...findBannedText(path, text));
    if (!source.test(path) || generated.test(path)) continue;
    const lines = text.split('\n').length - 1;
    if (lines > fileLinesMax) over.files.set(path, lines);
    if (!/\.tsx?$/.test(path) || /\.test\.tsx?$/.test(path)) continue;
    for (const { name, lines: length } of parseSource(path, text).functions) {
      const key = `${path}#${name}`;
      if (length > functionLinesMax) over.functions.set(key, Math.max(length, over.functions.get(key) ?? 0));
    }
  }
  found.push(...turn('file length', over.files, input.ratchet.files, input.ratchetBefore?.files, fileLinesMax));
  found.push(
    ...turn(
      'function length',
      over.functions,
      input.ratchet.functions,
      input.ratchetBefore?.functions,
      functionLinesMax,
    ),
  );
  return found;
}

function findBannedText(path: string, text: string): Untidiness[] {
  const rules = bannedTexts.filter((rule) => rule.in.test(path) && rule.except?.test(path) !== true);
  if (rules.length === 0) return [];
  const found: Untidiness[] = [];
  text.split('\n').forEach((content, index) => {
    for (const rule of rules) {
      if (rule.pattern.test(content)) {
        const message = `instead: ${rule.instead}; found: ${content.trim().slice(0, 100)}`;
        found.push({ rule: rule.name, path, line: index + 1, message });
      }
    }
  });
  return found;
}

/** Compares what is over a cap now with what may be. */
function turn(
  rule: string,
  over: ReadonlyMap<string, number>,
  allowed: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>> | undefined,
  cap: number,
): Untidiness[] {
  const found: Untidiness[] = [];
  for (const [path, lines] of over) {
    if (lines > (allowed[path] ?? cap)) {
      found.push({ rule, path, line: 1, message: `${lines} lines, at most ${allowed[path] ?? cap}` });
    }
  }
  for (const [path, lines] of Object.entries(allowed)) {
    const now = over.get(path) ?? 0;
    if (now < lines) {
      const message = now === 0 ? `remove ${path}` : `lower ${path} to ${now}`;
      found.push({ rule: 'ratchet', path: ratchetPath, line: 1, message: `${message}: the ratchet only tightens` });
    }
    if (before && lines > (before[path] ?? 0)) {
      found.push({
        rule: 'ratchet',
        path: ratchetPath,
        line: 1,
        message: `${path} was ${before[path] ?? 'not listed'}`,
      });
    }
  }
  return found;
}

const ratchetPath = 'tools/ratchet.json';

function committedRatchet(root: string): Ratchet | undefined {
  try {
    const text = execFileSync('git', ['show', `HEAD:${ratchetPath}`], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(text.toString()) as Ratchet;
  } catch {
    // Not committed yet, or a copy without its history.
    return undefined;
  }
}
