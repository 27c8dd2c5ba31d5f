import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { ContractArtifact, ContractName } from './artifact.ts';

/** Contract -> source, below contracts/src. */
const sources = {
  VaultRegistry: 'VaultRegistry.sol',
  Forwarder: 'Forwarder.sol',
  ForwarderFactory: 'ForwarderFactory.sol',
  VaultGuard: 'VaultGuard.sol',
  VaultTimelock: 'VaultTimelock.sol',
  EmergencyDesk: 'EmergencyDesk.sol',
  ReservesHandler: 'ReservesHandler.sol',
  TestUSDT: 'devnet/TestUSDT.sol',
  TestUSDC: 'devnet/TestUSDC.sol',
  Splitter: 'devnet/Splitter.sol',
  RevertingRecipient: 'devnet/RevertingRecipient.sol',
  GasBurner: 'devnet/GasBurner.sol',
  HostileToken: 'devnet/HostileToken.sol',
  TokenSpammer: 'devnet/TokenSpammer.sol',
} as const satisfies Record<ContractName, string>;

/**
 * `bytecodeHash: none` leaves out the metadata hash: a changed comment must not change the forwarder's init code and
 * with it every deposit address.
 */
const settings = {
  evmVersion: 'cancun',
  viaIR: true,
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: selectSources(['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object']),
};

/** Only these contracts: generating code for every library that they import takes longer. */
function selectSources(outputs: readonly string[]): Record<string, Record<string, readonly string[]>> {
  const selected: Record<string, Record<string, readonly string[]>> = {};
  for (const [name, file] of Object.entries(sources)) selected[file] = { ...selected[file], [name]: outputs };
  return selected;
}

interface SolcOutput {
  readonly errors?: readonly {
    readonly severity: string;
    readonly formattedMessage: string;
    readonly errorCode?: string;
  }[];
  readonly contracts: Record<string, Record<string, SolcContract | undefined> | undefined>;
}
interface SolcContract {
  readonly abi: readonly unknown[];
  readonly evm: {
    readonly bytecode: { readonly object: string };
    readonly deployedBytecode: { readonly object: string };
  };
}
interface Solc {
  version(): string;
  compile(input: string, callbacks: { import(path: string): { contents: string } | { error: string } }): string;
}

/** 5159: selfdestruct is deprecated, and Splitter pays by it on purpose. */
const expectedWarnings = new Set(['5159']);

/** Compiles every contract with the pinned solc. @throws AssertionError with the compiler's text on errors and warnings. */
export function compileContracts(): ContractArtifact[] {
  const require = createRequire(import.meta.url);
  const solc = require('solc') as Solc;
  const files = [...new Set(Object.values(sources))];
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(
      files.map((file) => [file, { content: readFileSync(new URL(file, import.meta.url), 'utf8') }]),
    ),
    settings,
  };
  const read = (path: string) => {
    if (path.startsWith('@openzeppelin/')) return { contents: readFileSync(require.resolve(path), 'utf8') };
    if (/^\w+\.sol$/.test(path)) return { contents: readFileSync(new URL(path, import.meta.url), 'utf8') };
    return { error: `import of ${path} is not allowed` };
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read })) as SolcOutput;
  const problems = (output.errors ?? []).filter((error) => !expectedWarnings.has(error.errorCode ?? ''));
  assert(problems.length === 0, problems.map((error) => error.formattedMessage).join('\n'));
  return (Object.entries(sources) as [ContractName, string][]).map(([name, file]) => {
    const contract = output.contracts[file]?.[name];
    assert(contract !== undefined, `${file} defines no ${name}`);
    return {
      name,
      abi: contract.abi,
      bytecode: `0x${contract.evm.bytecode.object}`,
      deployedBytecodeHash: `0x${bytesToHex(keccak_256(hexToBytes(contract.evm.deployedBytecode.object)))}`,
      compiler: `solc ${solc.version()}`,
    };
  });
}
