import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/** The signer as one file. */
export interface SignerBundle {
  readonly code: string;
  /** SHA-256 of its bytes, 64 hex digits: the build, as policies list it and signers report it. */
  readonly build: string;
  /** Modules that it loads at run time, `node:fs` or a package. */
  readonly imports: readonly string[];
  /** Files that went into it, relative to the root, sorted. */
  readonly files: readonly string[];
}

/**
 * Native code cannot be bundled; it is loaded only by a signer whose key is in an HSM. The JavaScript around it is: it names
 * the compiled file by its own place, the bundle by the package's.
 */
const native = { imports: './build/Release/pkcs11.node', id: 'pkcs11js/build/Release/pkcs11.node' };

/**
 * Bundles signer/src/main.ts with all that it imports. The bytes depend on the sources, the installed packages and the
 * version of rolldown only, not on where the checkout lies, the time or the environment: an auditor comes to the same hash.
 * It is not minified, so that it can be read and compared with the one before; file names stand above each part.
 * @param root the checkout, with its packages installed.
 * @throws Error on anything that rolldown warns of, an import that it cannot find among it; on a module outside the root.
 */
export async function bundleSigner(root: string): Promise<SignerBundle> {
  const warnings: string[] = [];
  const bundler = await rolldown({
    cwd: root,
    input: join(root, 'signer/src/main.ts'),
    platform: 'node',
    plugins: [
      {
        name: 'native-code',
        resolveId: (source) => (source === native.imports ? { id: native.id, external: true } : null),
      },
    ],
    // Types are only stripped, as Node does it, whatever tsconfig.json says.
    tsconfig: false,
    onLog: (level, { message }) => {
      if (level === 'warn') warnings.push(message);
    },
  });
  try {
    const { output } = await bundler.generate({
      format: 'esm',
      codeSplitting: false,
      minify: false,
      sourcemap: false,
      entryFileNames: 'signer.mjs',
    });
    if (warnings.length > 0) throw new Error(`rolldown warns: ${warnings.join('; ')}`);
    const [chunk, ...more] = output;
    if (more.length > 0) throw new Error(`the bundle is ${output.length} files and not one`);
    const { code, imports, dynamicImports, modules } = chunk;
    const files = Object.keys(modules)
      .map((path) => fileBelow(root, path))
      .filter((path) => path !== null)
      .toSorted();
    return {
      code,
      build: createHash('sha256').update(code).digest('hex'),
      imports: [...new Set([...imports, ...dynamicImports])].filter((name) => name !== chunk.fileName).toSorted(),
      files,
    };
  } finally {
    await bundler.close();
  }
}

/** What rolldown puts in by itself. */
const ownHelpers = '\0rolldown/runtime.js';

/** Relative to the root. @throws Error for a file that is not in the checkout: nobody would find it listed, or build it again. */
function fileBelow(root: string, path: string): string | null {
  if (path === ownHelpers) return null;
  if (path.startsWith(`${root}/`)) return path.slice(root.length + 1);
  throw new Error(`${path.replace('\0', '')} lies outside ${root}`);
}
