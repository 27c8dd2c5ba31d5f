import { registerHooks } from 'node:module';

/**
 * Puts the simulated machine under the code of server, signer and transport: what they import of Node and of a few modules of
 * their own is answered by test/simulation/stand-ins. Production code has no branch for it.
 */
const standIns: Readonly<Record<string, string>> = {
  'node:fs': 'fs.ts',
  'node:fs/promises': 'fs-promises.ts',
  'node:crypto': 'crypto.ts',
  'node:timers/promises': 'timers-promises.ts',
  'signer/src/ceremony/hold-port.ts': 'hold-port.ts',
  'signer/src/transport/pinned-server.ts': 'pinned-server.ts',
  'signer/src/nodes/bounded-cache.ts': 'bounded-cache.ts',
  'signer/src/log.ts': 'log.ts',
  'transport/src/pinned-post.ts': 'pinned-post.ts',
};
const root = new URL('../../', import.meta.url).href;
const simulated = /^(server|signer|transport)\/src\//;

/** A change of one production file, to see that the simulation notices it. */
export interface Edit {
  /** Below the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Call it before anything of the system is imported. */
export function simulateMachines(edits: readonly Edit[] = []): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const from = context.parentURL ?? '';
      if (!from.startsWith(root) || !simulated.test(from.slice(root.length))) return resolved;
      const name = resolved.url.startsWith(root) ? resolved.url.slice(root.length) : resolved.url;
      const standIn = standIns[name];
      return standIn === undefined
        ? resolved
        : { ...resolved, url: new URL(`stand-ins/${standIn}`, import.meta.url).href, format: 'module-typescript' };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      return edits
        .filter(({ file }) => url === root + file)
        .reduce((changed, { file, find, replace }) => {
          const source = Buffer.from(changed.source as Uint8Array).toString('utf8');
          if (!source.includes(find)) throw new Error(`${file} has no ${find}`);
          return { ...changed, source: source.replace(find, replace) };
        }, loaded);
    },
  });
}
