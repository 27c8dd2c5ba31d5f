import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Failure } from '@holdfast/core/failure.ts';
import { isDevelopmentNetwork } from '@holdfast/core/money/development-network.ts';

/** What a signer that runs from source calls itself: nobody could compare it with anything. */
export const sourceBuild = 'source';

/** SHA-256 of a file, 64 hex digits: the build, when it is a bundle of the signer. @throws Failure config-invalid. */
export function buildOf(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch (cause) {
    throw new Failure('config-invalid', `${file} cannot be read`, { cause });
  }
}

/**
 * The build of this process: the SHA-256 of the bundle that it was started from. It is a statement about an honest process:
 * poisoned code can say another's.
 * @param file of the module that the process was started with.
 * @param options that Node was given (its command line, NODE_OPTIONS): by them other code can be loaded before the bundle's.
 * @throws Failure build-not-permitted when there are options.
 */
export function ownBuild(file: string, options: readonly string[]): string {
  if (file.endsWith('.ts')) return sourceBuild;
  if (options.length > 0) {
    throw new Failure('build-not-permitted', 'Node was started with options, which can load code beside the bundle', {
      fix: 'Start it by "node signer.mjs run <folder>" and unset NODE_OPTIONS.',
    });
  }
  return buildOf(file);
}

/** A signer that runs from source is for the development chains. @throws Failure build-not-permitted naming another. */
export function refuseSource(build: string, networks: readonly { readonly network: string }[]): void {
  if (build !== sourceBuild) return;
  const earnest = networks.find(({ network }) => !isDevelopmentNetwork(network));
  if (!earnest) return;
  throw new Failure('build-not-permitted', `a signer that runs from source does not serve ${earnest.network}`, {
    fix: 'Run the bundle that npm run bundle:signer makes: docs/how-to/release.md.',
  });
}
