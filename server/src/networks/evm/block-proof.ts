import { EvmBlockAnswer, EvmReceiptAnswer } from '@holdfast/core/chains/evm/node-answers.ts';
import { verifyReceipts } from '@holdfast/core/chains/evm/verify-block-lists.ts';
import { verifyHeader } from '@holdfast/core/chains/evm/verify-header.ts';
import { Failure } from '@holdfast/core/failure.ts';
import Type from 'typebox';
import { Compile } from 'typebox/compile';

const Header = Compile(EvmBlockAnswer);
const Receipts = Compile(Type.Array(EvmReceiptAnswer));

/** Checks what endpoints say about one block against its hash; equal receipts are computed once. */
export function blockProof(hash: string): { check: (header: unknown, receipts: unknown) => void } {
  const proven = new Set<string>();
  return {
    /** @throws Failure node-proof-invalid unless the header hashes to the block's name and the receipts to its root. */
    check(header, receipts) {
      if (!Header.Check(header) || !Receipts.Check(receipts))
        throw new Failure('node-proof-invalid', `block ${hash} came without fields that its hash covers`);
      const verified = verifyHeader(header);
      if (verified.hash !== hash) throw new Failure('node-proof-invalid', `block ${verified.hash} came for ${hash}`);
      const text = JSON.stringify(receipts);
      if (proven.has(text)) return;
      verifyReceipts(verified, receipts);
      proven.add(text);
    },
  };
}
