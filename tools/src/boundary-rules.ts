/** What an import names. */
export type Target =
  | {
      readonly kind: 'file';
      readonly path: string;
      /** By a relative path rather than by the workspace's package name. */
      readonly byPath: boolean;
      readonly packageName?: string;
    }
  | { readonly kind: 'package'; readonly name: string }
  | { readonly kind: 'node'; readonly name: string };

/** Tests, benchmarks and what only they use. */
export function isTest(path: string): boolean {
  return /\.test(-support)?\.tsx?$/.test(path) || /^(test|bench)\//.test(path);
}

/** How tests and benchmarks set up whole systems. No package: it is imported by its path. */
export const stage = /^test\/support\//;

/** Which files of other workspaces each workspace may import. The root's own files (vitest.config.ts) import none. */
export const mayImport: Readonly<Record<string, readonly RegExp[]>> = {
  core: [],
  server: [/^(core|transport)\//],
  signer: [/^(core|transport)\//],
  // Mutual TLS with pinned certificates, the same code at both ends of a connection.
  transport: [/^core\//],
  client: [/^core\/src\/(contract|money|signing)\//, /^core\/src\/(failure|invariant)\.ts$/],
  cli: [/^core\//, /^client\//],
  contracts: [],
  // Starts server and signer as processes and deploys the contracts' artefacts; never links them.
  devnet: [/^core\//, /^client\//, /^contracts\//],
  test: [/^(core|server|signer|transport|client|cli|contracts|devnet)\//],
  bench: [/^(core|server|signer|transport|client|contracts|devnet)\//, stage],
  tools: [],
};

/** Inside core: money <- ledger <- the chains <- the domains. */
export const layerRules = {
  /** Plain shapes and errors that every folder may use. */
  leaf: /^core\/src\/(contract\/|failure\.ts$|invariant\.ts$|signing\/(intent|messages|evidence|statement|engine|customer-record|halt|emergency|named-build)\.ts$|policy\/policy\.ts$)/,
  leafMayImport: ['money'],
  /** From low to high; a folder may import the folders of lower rows. */
  order: [
    ['money'],
    ['ledger', 'keys', 'sealing'],
    ['chains'],
    ['policy'],
    ['deposits', 'signing', 'reserves', 'tracing'],
    ['withdrawals', 'incidents', 'audit', 'cold'],
  ] as readonly (readonly string[])[],
  /** Imports within a row. */
  sideways: {} as Readonly<Record<string, readonly string[]>>,
};

export interface PathRule {
  readonly name: string;
  readonly from: RegExp;
  readonly exceptFrom?: RegExp;
  /** Matched against a path, a package name or `node:<module>`. */
  readonly to: RegExp;
  /** `import type` leaves nothing at run time. */
  readonly typesAllowed?: boolean;
  readonly why: string;
}

const domains = '(money|ledger|keys|policy|deposits|withdrawals|signing|reserves|incidents|tracing|audit|contract)';

export const pathRules: readonly PathRule[] = [
  {
    name: 'core is pure',
    from: /^core\//,
    to: /^(node:|(assert|buffer|child_process|crypto|events|fs|http|https|net|os|path|process|stream|tls|url|util|worker_threads)$)/,
    why: 'no disk, network, clock or randomness in core; pass it in',
  },
  {
    name: 'domains name no chain',
    from: new RegExp(`^core/src/${domains}/`),
    to: /^core\/src\/chains\/[^/]+\//,
    why: 'a domain receives a chain as a record of functions (core/src/chains/chain.ts)',
  },
  ...['bitcoin', 'evm'].map((family) => ({
    name: 'chains stand alone',
    from: new RegExp(`^core/src/chains/${family}/`),
    to: new RegExp(`^core/src/chains/(?!${family}/)[^/]+/`),
    why: 'one family must not lean on another',
  })),
  {
    name: 'http never imports store',
    from: /^server\/src\/http\//,
    to: /^(server\/src\/store\/|pg$)/,
    why: 'routes get what they need from wiring.ts',
  },
  {
    name: 'SQL stays in store',
    from: /^server\/src\/(http|jobs|nodes|signers|webhooks|telemetry)\//,
    exceptFrom: /\.test\.ts$/,
    to: /^pg$/,
    why: 'rows and connections do not leave server/src/store',
  },
  {
    name: 'wiring constructs adapters',
    from: /^server\/src\//,
    // The adapters of one network stand on the node clients.
    exceptFrom: /^server\/src\/((main|run|init|wiring)\.ts|networks\/|nodes\/|signers\/|.*\.test\.ts$)/,
    to: /^server\/src\/(networks|nodes|signers)\//,
    typesAllowed: true,
    why: 'take the adapter as an argument; wiring.ts constructs it',
  },
  {
    name: 'wiring constructs adapters',
    from: /^signer\/src\//,
    exceptFrom: /^signer\/src\/((main|run|init|wiring)\.ts|nodes\/|transport\/|wallets\/|.*\.test\.ts$)/,
    to: /^signer\/src\/(nodes|transport)\//,
    typesAllowed: true,
    why: 'take the adapter as an argument; wiring.ts constructs it',
  },
  {
    name: 'no test runner in production',
    from: /^[^/]+\/src\//,
    exceptFrom: /(\.test\.ts$|^tools\/)/,
    to: /^(vitest|fast-check)$/,
    why: 'only tests may import it',
  },
];
