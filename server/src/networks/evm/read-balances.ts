import { Failure } from '@holdfast/core/failure.ts';
import { type RpcCall, type RpcEndpoint, RpcError } from '../../nodes/json-rpc.ts';

/** What an address holds: native coin when `contract` is null. */
export interface Holding {
  readonly contract: string | null;
  readonly address: string;
}

/** balanceOf(address), ERC-20. */
const balanceSelector = '0x70a08231';
/** A rebasing token with a proxy takes some hundred thousand; a loop without end or a megabyte of answer takes more. */
export const balanceGas = '0xf4240';
/** No token has so many base units: a larger word is not a balance, and sums of it would not fit the ledger. */
const balanceMax = 2n ** 128n;

export const balanceOf = (contract: string, address: string): { to: string; data: string; gas: string } => ({
  to: contract,
  data: `${balanceSelector}${address.slice(2).toLowerCase().padStart(64, '0')}`,
  gas: balanceGas,
});

/**
 * What addresses hold at a block by one endpoint, base units in decimal, in the order asked; null where the token answers no
 * balance: it reverts, takes too much gas, or answers something else than a plausible word. One token's trouble is
 * no trouble of the others.
 * @throws Failure node-unavailable when the endpoint has no state of the block.
 */
export async function readBalances(
  endpoint: RpcEndpoint,
  holdings: readonly Holding[],
  at: { readonly blockHash: string },
): Promise<(string | null)[]> {
  const answers = await endpoint.tryBatch(
    holdings.map(({ contract, address }): RpcCall =>
      contract === null
        ? { method: 'eth_getBalance', params: [address, at] }
        : { method: 'eth_call', params: [balanceOf(contract, address), at] },
    ),
  );
  const refusals = answers.flatMap((answer, n) =>
    answer instanceof RpcError ? [{ answer, contract: holdings[n]!.contract }] : [],
  );
  const ofNode = refusals.find(({ contract }) => contract === null);
  if (ofNode) throw noState(endpoint, ofNode.answer);
  // A token that refuses and a node without the block look alike: the state of the token's own account tells.
  const refusing = [...new Set(refusals.map(({ contract }) => contract))];
  await endpoint
    .batch(refusing.map((contract) => ({ method: 'eth_getBalance', params: [contract, at] })))
    .catch((error: unknown) => {
      throw error instanceof RpcError ? noState(endpoint, error) : error;
    });
  return answers.map((answer, n) => (holdings[n]!.contract === null ? coins(endpoint, answer) : tokens(answer)));
}

/** A reorg took the block, or the endpoint does not keep it. */
function noState(endpoint: RpcEndpoint, cause: RpcError): Failure {
  return new Failure('node-unavailable', `${endpoint.name}: ${cause.message}`, { cause });
}

function coins(endpoint: RpcEndpoint, answer: unknown): string {
  if (typeof answer === 'string' && /^0x[0-9a-fA-F]{1,64}$/.test(answer)) return BigInt(answer).toString();
  throw new Failure('node-unavailable', `${endpoint.name} answered a balance ${String(answer).slice(0, 80)}`);
}

function tokens(answer: unknown): string | null {
  if (typeof answer !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(answer)) return null;
  const amount = BigInt(answer);
  return amount < balanceMax ? amount.toString() : null;
}
