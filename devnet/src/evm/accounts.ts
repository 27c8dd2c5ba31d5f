import { addr } from 'micro-eth-signer';

/**
 * Keys of anvil's published mnemonic ("test test ... junk"), rich on every devnet and worthless anywhere else. Never for
 * another chain.
 */
export const devnetKeys = {
  /** Deploys the contracts and owns the test tokens. */
  deployer: '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
  /** Pays customers' deposits. */
  faucet: '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  /** Funds relayers and other needs of a test. */
  spare: '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
} as const;

/** EIP-55 address of a key (0x hex). */
export function addressOfKey(privateKey: string): string {
  return addr.fromPrivateKey(privateKey);
}
