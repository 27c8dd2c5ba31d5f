import type { KeyPath } from '@holdfast/core/keys/derive-child.ts';
import type { SignBitcoinRequest } from '@holdfast/core/signing/messages.ts';
import type { Prevout } from '@holdfast/core/chains/bitcoin/sighash.ts';

/** An address of the wallet. */
export interface OwnAddress {
  readonly address: string;
  /** Output script, hex. */
  readonly script: string;
}

/** What differs between the kinds of a Bitcoin wallet, with the keys of one epoch. */
export interface WalletKind {
  readonly epoch: number;
  readonly derive: (path: KeyPath) => OwnAddress;
  /** Most bytes of the witness that spends the coin of a path. */
  readonly witnessBytes: (path: KeyPath) => number;
  /** Where all change goes; null where every change has another address. */
  readonly changeAddress: OwnAddress | null;
  /**
   * Has a quorum of the signers sign, and verifies each signature.
   * @param prevouts one an input. @returns ready to broadcast, hex.
   * @throws Failure signers-unavailable to try again; any other Failure is a refusal.
   */
  readonly sign: (request: SignBitcoinRequest, prevouts: readonly Prevout[]) => Promise<{ raw: string; txid: string }>;
}

export const depositBranch = 0;
export const changeBranch = 1;
