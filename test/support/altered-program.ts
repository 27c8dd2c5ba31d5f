import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { linkPackages, type SignerProgram } from '@holdfast/devnet/signer-program.ts';

/** Text of the bundle, found exactly once, and what a thief writes in its place. */
export type Alteration = readonly [found: string, written: string];

/**
 * The signer's bundle with other code in it, as a poisoned release or dependency would make it.
 * @param folder that exists; the file is `<name>.mjs` in it.
 * @throws Error when a text is not there exactly once: the alteration would do nothing, and the test prove nothing.
 */
export function alterProgram(
  { main }: SignerProgram,
  folder: string,
  name: string,
  alterations: readonly Alteration[],
): SignerProgram {
  let code = readFileSync(main, 'utf8');
  for (const [found, written] of alterations) {
    const parts = code.split(found);
    if (parts.length !== 2) throw new Error(`the bundle has ${found} ${parts.length - 1} times`);
    code = parts.join(written);
  }
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, code);
  linkPackages(folder);
  return { main: path, build: createHash('sha256').update(code).digest('hex') };
}

/** It no longer asks whether it, or a peer, runs what the policy lists. */
export const letsItselfIn: Alteration = [
  'function judgeBuild(build, policies, state, nowMs) {',
  'function judgeBuild(build, policies, state, nowMs) {\n\treturn;',
];

/** It signs whatever the evidence says about recipients. */
export const pays: Alteration = [
  'function matchPayments(intents, payments) {',
  'function matchPayments(intents, payments) {\n\treturn;',
];

/** It signs without asking its peers. */
export const asksNobody: Alteration = [
  'const { reserved, unreachable } = await deps.reserve(acceptance.request, reviewed.txid);',
  'const reserved = ["a", "b"], unreachable = [];',
];

/** It says that it is another build. */
export const saysThatItIs = (build: string): Alteration => ['\treturn buildOf(file);', `\treturn "${build}";`];
