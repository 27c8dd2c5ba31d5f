import { hexToBytes, bytesToHex } from '@noble/hashes/utils.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetwork } from '../../config.ts';
import type { Endpoints } from '../../nodes/endpoints.ts';
import { type RpcEndpoint, RpcError } from '../../nodes/json-rpc.ts';
import type { TokenFacts } from '@holdfast/core/policy/judge-listing.ts';

/** Selectors of ERC-20. */
const selectors = {
  decimals: '0x313ce567',
  symbol: '0x95d89b41',
  balanceOf: '0x70a08231',
  transfer: '0xa9059cbb',
} as const;
/** Where ERC-1967 proxies keep their implementation and their beacon. */
const proxySlots = [
  '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc',
  '0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50',
] as const;
/** Nobody's: a transfer to it is only simulated. */
const probe = `0x${'70be'.repeat(10)}`;

const word = (value: string | bigint): string =>
  (typeof value === 'bigint' ? value.toString(16) : value.slice(2).toLowerCase()).padStart(64, '0');

/** Reads what a token contract is, as a quorum of endpoints agrees. @throws Failure node-quorum-lost. */
export async function tokenFacts(
  config: EvmNetwork,
  nodes: Pick<Endpoints, 'agree'>,
  contract: string,
): Promise<TokenFacts> {
  const code = await nodes.agree('listing', `code of ${contract}`, (one) =>
    one.call<string>('eth_getCode', [contract, 'latest']),
  );
  const slots = await nodes.agree('listing', `proxy slots of ${contract}`, (one) =>
    Promise.all(proxySlots.map((slot) => one.call<string>('eth_getStorageAt', [contract, slot, 'latest']))),
  );
  const [decimals, symbol] = await nodes.agree('listing', `name of ${contract}`, (one) =>
    Promise.all([read(one, contract, selectors.decimals), read(one, contract, selectors.symbol)]),
  );
  const isWord = /^0x[0-9a-f]{64}$/;
  return {
    codeHash: code === '0x' ? null : `0x${bytesToHex(keccak_256(hexToBytes(code.slice(2))))}`,
    isProxy: slots.some((slot) => /[1-9a-f]/.test(slot.slice(2))),
    decimals: decimals !== null && isWord.test(decimals) ? Number(BigInt(decimals)) : null,
    symbol: symbol === null ? null : textOf(symbol),
    transfer: await nodes.agree('listing', `transfers of ${contract}`, (one) =>
      simulateTransfer(one, contract, config.safe),
    ),
  };
}

async function read(endpoint: RpcEndpoint, to: string, data: string): Promise<string | null> {
  try {
    return await endpoint.call<string>('eth_call', [{ to, data }, 'latest']);
  } catch (error) {
    if (error instanceof RpcError) return null;
    throw error;
  }
}

/** ABI string, or the 32 bytes that old tokens answer. */
function textOf(answer: string): string {
  const bytes = hexToBytes(answer.slice(2));
  if (bytes.length < 96) return asciiOf(bytes);
  const length = Number(BigInt(`0x${bytesToHex(bytes.slice(32, 64))}`) % 65n);
  return asciiOf(bytes.slice(64, 64 + length));
}

const asciiOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.filter((byte) => byte > 31 && byte < 127));

/** One base unit (none, where the vault has none) from the vault to nobody, with the receiver's balance around it, in one simulated block. */
async function simulateTransfer(endpoint: RpcEndpoint, token: string, safe: string): Promise<TokenFacts['transfer']> {
  const held = await read(endpoint, token, `${selectors.balanceOf}${word(safe)}`);
  // Enough for a fee of a thousandth to show.
  const most = held !== null && held !== '0x' ? BigInt(held) : 0n;
  const amount = most < 10_000n ? most : 10_000n;
  const balance = { from: safe, to: token, data: `${selectors.balanceOf}${word(probe)}` };
  const transfer = { from: safe, to: token, data: `${selectors.transfer}${word(probe)}${word(amount)}` };
  try {
    const [block] = await endpoint.call<{ calls: { status: string; returnData: string }[] }[]>('eth_simulateV1', [
      { blockStateCalls: [{ calls: [balance, transfer, balance] }] },
      'latest',
    ]);
    const [before, moved, after] = block?.calls ?? [];
    if (!before || !moved || !after) throw new Failure('node-unavailable', `${endpoint.name} simulated too little`);
    const arrived = after.returnData === '0x' ? 0n : BigInt(after.returnData) - BigInt(before.returnData);
    return {
      sent: amount.toString(),
      arrived: arrived.toString(),
      returned:
        moved.status !== '0x1'
          ? 'reverted'
          : moved.returnData === '0x'
            ? 'nothing'
            : BigInt(moved.returnData) === 1n
              ? 'true'
              : 'false',
    };
  } catch (error) {
    if (error instanceof RpcError) return null;
    throw error;
  }
}
