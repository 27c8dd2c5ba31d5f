import { readFileSync } from 'node:fs';

export type ContractName =
  | 'VaultRegistry'
  | 'Forwarder'
  | 'ForwarderFactory'
  | 'VaultGuard'
  | 'VaultTimelock'
  | 'EmergencyDesk'
  | 'ReservesHandler'
  | 'TestUSDT'
  | 'TestUSDC'
  | 'Splitter'
  | 'RevertingRecipient'
  | 'GasBurner'
  | 'HostileToken'
  | 'TokenSpammer';

/** What deployment and tests need of a compiled contract; byte strings are 0x hex. */
export interface ContractArtifact {
  readonly name: ContractName;
  readonly abi: readonly unknown[];
  /** Init code without constructor arguments. */
  readonly bytecode: string;
  /** keccak256 of the code that a deployment leaves, before immutables are filled in. */
  readonly deployedBytecodeHash: string;
  readonly compiler: string;
}

/** A committed artifact of contracts/artifacts, as `npm run build:contracts` wrote it. */
export function loadArtifact(name: ContractName): ContractArtifact {
  const file = new URL(`../artifacts/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as ContractArtifact;
}
