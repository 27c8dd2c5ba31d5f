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

/** How a process was started. */
export interface Start {
  /** Of the module that asks. */
  readonly file: string;
  /** Whether Node was started with that module, and not with one that loads it. */
  readonly isMain: boolean;
  /** What Node was given on its command line. */
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Whatever Node, its loader or OpenSSL take from the environment: code, compiled code, options, whom to trust. */
const loadedBy = /^(?:NODE_|LD_|DYLD_|OPENSSL_|SSL_CERT_)/;
const harmless = new Set(['NODE_ENV', 'NODE_VERSION']);

/**
 * The build of this process: the SHA-256 of the bundle that it was started from. It is a statement about an honest process,
 * and refuses honest mistakes: poisoned code can say another's, and what was loaded before can hide that it was.
 * @throws Failure build-not-permitted when other code can be loaded beside the bundle's.
 */
export function ownBuild({ file, isMain, options, env }: Start): string {
  if (file.endsWith('.ts')) return sourceBuild;
  const fix =
    'Start it by "env -i HOLDFAST_PASSPHRASE_FILE=... node signer.mjs run <folder>", as docs/how-to/release.md says.';
  if (!isMain) throw new Failure('build-not-permitted', 'another module loads the bundle', { fix });
  if (options.length > 0) {
    const message = `Node was started with ${options.length} options, which can load code beside the bundle`;
    throw new Failure('build-not-permitted', message, { fix });
  }
  const named = Object.keys(env).filter((name) => loadedBy.test(name) && !harmless.has(name) && env[name] !== '');
  if (named.length > 0) {
    const message = `${named.join(', ')} in the environment can load code beside the bundle`;
    throw new Failure('build-not-permitted', message, { fix });
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
