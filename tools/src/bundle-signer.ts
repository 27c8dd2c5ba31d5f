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

/** Native code cannot be bundled; it is loaded only by a signer whose key is in an HSM. */
const external = ['pkcs11js'];

/**
 * Bundles signer/src/main.ts with all that it imports. The bytes depend on the sources, the installed packages and the
 * version of rolldown only, not on where the checkout lies, the time or the environment: an auditor comes to the same hash.
 * It is not minified, so that it can be read and compared with the one before; file names stand above each part.
 * @param root the checkout, with its packages installed.
 * @throws Error on anything that rolldown warns of, an import that it cannot find among it.
 */
export async function bundleSigner(root: string): Promise<SignerBundle> {
  const warnings: string[] = [];
  const bundler = await rolldown({
    cwd: root,
    input: join(root, 'signer/src/main.ts'),
    platform: 'node',
    external,
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
      .filter((path) => path.startsWith(`${root}/`))
      .map((path) => path.slice(root.length + 1))
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
