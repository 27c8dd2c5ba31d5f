import Type, { type Static } from 'typebox';

/**
 * What a node answers about blocks and proofs (execution-apis), as far as it is needed to prove it. Digits in any case;
 * fields beyond these are passed over.
 */
const Quantity = Type.String({ pattern: '^0x[0-9a-fA-F]{1,64}$' });
const Bytes = Type.String({ pattern: '^0x([0-9a-fA-F]{2})*$' });
const fixed = (bytes: number) => Type.String({ pattern: `^0x[0-9a-fA-F]{${bytes * 2}}$` });
const Word = fixed(32);
const Address = fixed(20);

/** Fields of a header, in the order of its RLP; each fork appended some. */
const headerFields = {
  parentHash: Word,
  sha3Uncles: Word,
  miner: Address,
  stateRoot: Word,
  transactionsRoot: Word,
  receiptsRoot: Word,
  logsBloom: fixed(256),
  difficulty: Quantity,
  number: Quantity,
  gasLimit: Quantity,
  gasUsed: Quantity,
  timestamp: Quantity,
  extraData: Bytes,
  mixHash: Word,
  nonce: fixed(8),
} as const;
const forkFields = {
  /** EIP-1559. */
  baseFeePerGas: Type.Optional(Quantity),
  /** EIP-4895. */
  withdrawalsRoot: Type.Optional(Word),
  /** EIP-4844. */
  blobGasUsed: Type.Optional(Quantity),
  excessBlobGas: Type.Optional(Quantity),
  /** EIP-4788. */
  parentBeaconBlockRoot: Type.Optional(Word),
  /** EIP-7685. */
  requestsHash: Type.Optional(Word),
} as const;

/** eth_getBlockByNumber, eth_getBlockByHash. */
export const EvmBlockAnswer = Type.Object({ hash: Word, ...headerFields, ...forkFields });
export type EvmBlockAnswer = Static<typeof EvmBlockAnswer>;

const AccessList = Type.Array(Type.Object({ address: Address, storageKeys: Type.Array(Word) }));
/** A transaction of a block that was asked for with full transactions; EIP-2718 types 0 to 4. */
export const EvmTransactionAnswer = Type.Object({
  hash: Word,
  type: Quantity,
  chainId: Type.Optional(Type.Union([Quantity, Type.Null()])),
  nonce: Quantity,
  gas: Quantity,
  gasPrice: Type.Optional(Quantity),
  maxFeePerGas: Type.Optional(Quantity),
  maxPriorityFeePerGas: Type.Optional(Quantity),
  maxFeePerBlobGas: Type.Optional(Quantity),
  to: Type.Union([Address, Type.Null()]),
  value: Quantity,
  input: Bytes,
  accessList: Type.Optional(AccessList),
  blobVersionedHashes: Type.Optional(Type.Array(Word)),
  authorizationList: Type.Optional(
    Type.Array(
      Type.Object({
        chainId: Quantity,
        address: Address,
        nonce: Quantity,
        yParity: Quantity,
        r: Quantity,
        s: Quantity,
      }),
    ),
  ),
  yParity: Type.Optional(Quantity),
  v: Type.Optional(Quantity),
  r: Quantity,
  s: Quantity,
});
export type EvmTransactionAnswer = Static<typeof EvmTransactionAnswer>;

const LogAnswer = Type.Object({ address: Address, topics: Type.Array(Word, { maxItems: 4 }), data: Bytes });
/** An entry of eth_getBlockReceipts. */
export const EvmReceiptAnswer = Type.Object({
  type: Type.Optional(Quantity),
  status: Quantity,
  cumulativeGasUsed: Quantity,
  logsBloom: fixed(256),
  logs: Type.Array(LogAnswer),
});
export type EvmReceiptAnswer = Static<typeof EvmReceiptAnswer>;
export type EvmProvenLog = Static<typeof LogAnswer>;

const Nodes = Type.Array(Type.String({ pattern: '^0x([0-9a-fA-F]{2})+$', maxLength: 4_096 }), { maxItems: 80 });
/** eth_getProof, EIP-1186. Balances and values that it claims are not read: the nodes hold them. */
export const EvmProofAnswer = Type.Object({
  accountProof: Nodes,
  storageProof: Type.Array(Type.Object({ proof: Nodes }), { maxItems: 64 }),
});
export type EvmProofAnswer = Static<typeof EvmProofAnswer>;
