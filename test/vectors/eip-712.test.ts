import { safeTransactionHash } from '@holdfast/core/chains/evm/safe-transaction.ts';
import { addressWord, bytesWord, structHash, typedDataHash, uintWord } from '@holdfast/core/chains/evm/typed-data.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { recoverAddressTyped } from 'micro-eth-signer';
import { expect, test } from 'vitest';
import vectors from './data/eip-712-safe.json' with { type: 'json' };

const text = (value: string) => bytesWord(utf8ToBytes(value));

test("EIP-712 the standard's own Mail example", () => {
  const person = (name: string, wallet: string) =>
    structHash('Person(string name,address wallet)', [text(name), addressWord(wallet)]);
  const mail = structHash('Mail(Person from,Person to,string contents)Person(string name,address wallet)', [
    person('Cow', '0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826'),
    person('Bob', '0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB'),
    text('Hello, Bob!'),
  ]);
  const domain = structHash('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)', [
    text('Ether Mail'),
    text('1'),
    uintWord(1n),
    addressWord('0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC'),
  ]);
  const hash = typedDataHash(domain, mail);
  expect(bytesToHex(mail)).toBe('c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e');
  expect(bytesToHex(domain)).toBe('f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f');
  expect(bytesToHex(hash)).toBe('be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2');
  const signature = secp256k1.sign(hash, keccak_256(utf8ToBytes('cow')), { prehash: false });
  expect(bytesToHex(signature)).toBe(
    '4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d' +
      '07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562',
  );
});

const transactions = vectors.transactions.map(({ hash, ...tx }) => ({ hash, tx: tx as SafeTransaction }));

test.each(transactions)('EIP-712 Safe transaction hash $hash', ({ hash, tx }) => {
  const ours = safeTransactionHash({ chainId: BigInt(vectors.chainId), safe: vectors.safe, tx });
  expect(bytesToHex(ours)).toBe(hash);
});

/** A second implementation of EIP-712 hashes the same struct: it recovers the key that signed our hash. */
test.each(transactions)('EIP-712 a signature over $hash recovers through a general encoder', ({ tx }) => {
  const key = keccak_256(utf8ToBytes('cow'));
  const ours = safeTransactionHash({ chainId: BigInt(vectors.chainId), safe: vectors.safe, tx });
  const signature = secp256k1.sign(ours, key, { prehash: false, format: 'recovered' });
  const rsv = `0x${bytesToHex(signature.subarray(1))}${(27 + (signature[0] ?? 0)).toString(16)}`;
  const none = `0x${'0'.repeat(40)}`;
  const field = (name: string, type: string) => ({ name, type });
  const recovered = recoverAddressTyped(rsv, {
    types: {
      SafeTx: [
        field('to', 'address'),
        field('value', 'uint256'),
        field('data', 'bytes'),
        field('operation', 'uint8'),
        field('safeTxGas', 'uint256'),
        field('baseGas', 'uint256'),
        field('gasPrice', 'uint256'),
        field('gasToken', 'address'),
        field('refundReceiver', 'address'),
        field('nonce', 'uint256'),
      ],
    },
    primaryType: 'SafeTx',
    domain: { chainId: BigInt(vectors.chainId), verifyingContract: vectors.safe },
    message: {
      to: tx.to,
      value: BigInt(tx.value),
      data: tx.data,
      operation: BigInt(tx.operation),
      safeTxGas: 0n,
      baseGas: 0n,
      gasPrice: 0n,
      gasToken: none,
      refundReceiver: none,
      nonce: BigInt(tx.nonce),
    },
  } as never);
  expect(recovered).toBe('0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826');
});
