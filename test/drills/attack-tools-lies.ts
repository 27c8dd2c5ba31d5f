import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import type { Lie } from '@holdfast/devnet/proxy.ts';
import { awaitAlarm, awaitNoAlarm, endpointsOf } from '../support/chain-steps.ts';
import type { DrillStage } from './drill-stage.ts';

/** What chain nodes say that somebody else owns. */

const hexOf = (amount: bigint): string => `0x${amount.toString(16)}`;
const word = (hex: string): string => hex.replace(/^0x/, '').toLowerCase().padStart(64, '0');
type Fields = Record<string, unknown>;

/** Every block's first transaction also pays ether to an address, from inside a contract; its balance agrees. */
export function inventedEther(address: string, wei: bigint): Lie {
  return (method, params, result) => {
    if (method === 'eth_getBalance' && String(params[0]).toLowerCase() === address.toLowerCase())
      return hexOf(BigInt(String(result)) + wei);
    if (method !== 'debug_traceBlockByHash' || !Array.isArray(result)) return result;
    const call = { type: 'CALL', from: addressOfKey(devnetKeys.faucet), to: address, value: hexOf(wei) };
    return result.map((trace: { result: { calls?: unknown[] } }, at) =>
      at > 0 ? trace : { ...trace, result: { ...trace.result, calls: [...(trace.result.calls ?? []), call] } },
    );
  };
}

/** Every block's first receipt also logs a transfer of a token to an address. */
export function inventedTokens(token: string, address: string, amount: bigint): Lie {
  const topic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
  const log = {
    address: token.toLowerCase(),
    topics: [topic, `0x${word(addressOfKey(devnetKeys.faucet))}`, `0x${word(address)}`],
    data: `0x${word(amount.toString(16))}`,
  };
  return (method, _params, result) =>
    method === 'eth_getBlockReceipts' && Array.isArray(result)
      ? result.map((receipt: Fields, at) =>
          at > 0 ? receipt : { ...receipt, logs: [...(receipt['logs'] as unknown[]), log] },
        )
      : result;
}

/** The chain is so many blocks longer than it is. */
export function inventedHeight(blocks: number): Lie {
  return (method, _params, result) => {
    if (method === 'eth_blockNumber') return hexOf(BigInt(String(result)) + BigInt(blocks));
    return method === 'getblockcount' ? Number(result) + blocks : result;
  };
}

/** What a fee costs, by nodes that get a share: the server's ceilings, and an estimate that no block holds. */
export const inventedFees: Lie = (method, _params, result) => {
  if (method === 'estimatesmartfee') return { feerate: 0.002, blocks: 6 };
  if (method === 'eth_maxPriorityFeePerGas') return hexOf(450_000_000_000n);
  return method === 'eth_estimateGas' ? hexOf(29_000_000n) : result;
};

export const bothNetworks = [evmNetworkId, bitcoinNetworkId] as const;

/** The attacker's two of the server's five endpoints of a network. */
export function lieToServer(stage: DrillStage, network: string, first: Lie, second = first): void {
  const [one, other] = endpointsOf(stage.system, network);
  one!.setFault({ kind: 'lie', lie: first });
  other!.setFault({ kind: 'lie', lie: second });
}

/** Both endpoints of a signer, or one of them. */
export function lieToSigner(stage: DrillStage, signer: string, lie: Lie, count = 2): void {
  const view = stage.system.views.get(signer)!;
  for (const proxy of [...view.evm.slice(0, count), ...view.bitcoin.slice(0, count)])
    proxy.setFault({ kind: 'lie', lie });
}

/** The nodes' owner gives up; the server takes each back when it has agreed for long enough. */
export async function truthAgain(stage: DrillStage): Promise<void> {
  const { system } = stage;
  for (const view of system.views.values())
    for (const proxy of [...view.evm, ...view.bitcoin]) proxy.setFault({ kind: 'none' });
  await system.mineUntil('every endpoint counting again', async () =>
    (await system.client.listNetworks()).data.every(({ endpoints }) =>
      endpoints.every(({ standing }) => standing === 'counted'),
    ),
  );
  await awaitNoAlarm(system, 'node-disagreement');
}

/** Waits until the server has named both liars of a network. @returns evidence. */
export async function namedLiars(stage: DrillStage, network: string): Promise<string[]> {
  const liars = endpointsOf(stage.system, network).slice(0, 2);
  return Promise.all(
    liars.map(async ({ port }, at) => {
      await awaitAlarm(stage.system, 'node-disagreement', `127.0.0.1:${port}`);
      return `${network.split(':')[0]} endpoint ${at + 1} named`;
    }),
  );
}
