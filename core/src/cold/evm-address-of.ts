import { addr } from 'micro-eth-signer';

/** EIP-55 address of a public key of secp256k1, compressed or not. */
export function evmAddressOf(publicKey: Uint8Array): string {
  return addr.fromPublicKey(publicKey);
}
