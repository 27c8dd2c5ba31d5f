import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { allOf, bitcoinBlockHash, bitcoinStuckAt, evmBlockHash, evmStuckAt } from '@holdfast/devnet/lies.ts';
import { type AssetName, payDeposit } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { depositsOf } from '../support/chain-steps.ts';
import { units } from '../support/payouts.ts';
import type { Adversary, Amounts, Attack, Outcome } from './attack.ts';
import { demand, payDirectly, refusalOf } from './attack-tools-host.ts';
import {
  bothNetworks,
  inventedEther,
  inventedFees,
  inventedHeight,
  inventedTokens,
  lieToServer,
  lieToSigner,
  namedLiars,
  truthAgain,
} from './attack-tools-lies.ts';
import { evidenceOf, mustBePaid, ownPayment } from './attack-tools-refusals.ts';
import { assets, type DrillStage } from './drill-stage.ts';

/** Runs an attack and gives the nodes back their honesty, so that the next one meets a whole system. */
function lying(name: string, run: (stage: DrillStage) => Promise<Outcome>): Attack {
  return {
    name,
    run: async (stage) => {
      try {
        return await run(stage);
      } finally {
        await truthAgain(stage);
      }
    },
  };
}

async function has(stage: DrillStage): Promise<Record<AssetName, bigint>> {
  const all = await Promise.all(
    assets.map(
      async (asset) => [asset, BigInt((await stage.system.balance(stage.accomplice, asset)).available)] as const,
    ),
  );
  return Object.fromEntries(all) as Record<AssetName, bigint>;
}

/** What the accomplice was credited beyond what they paid in. */
const gained = (before: Record<AssetName, bigint>, after: Record<AssetName, bigint>, paid: Amounts): Amounts =>
  Object.fromEntries(assets.map((asset) => [asset, after[asset] - before[asset] - (paid[asset] ?? 0n)]));

/** Mines until the true part of a deposit is credited, so that a false part would be too. */
async function untilCredited(stage: DrillStage, asset: AssetName, amount: bigint): Promise<void> {
  await stage.system.mineUntil('the true deposit credited', async () => (await has(stage))[asset] >= amount);
  await stage.system.mineEvm(3);
  await stage.system.followed();
}

const falseDeposits = lying(
  'deposits that nobody made, told with forged receipts, traces and balances',
  async (stage) => {
    const { system, accomplice } = stage;
    const address = accomplice.addresses.get(evmNetworkId)!;
    const before = await has(stage);
    const ether = inventedEther(address, units('ETH', '900'));
    lieToServer(
      stage,
      evmNetworkId,
      ether,
      allOf(ether, inventedTokens(system.evm.usdc, address, units('USDC', '900'))),
    );
    // Both make up the same block of Bitcoin, in which they may say what they like.
    const { height } = (await system.client.listNetworks()).data.find(({ id }) => id === bitcoinNetworkId)!;
    lieToServer(stage, bitcoinNetworkId, bitcoinBlockHash(height! + 1, '00'.repeat(32)));
    await payDeposit(system, accomplice, 'ETH', '0.01');
    const paid = { ETH: units('ETH', '0.01') };
    await untilCredited(stage, 'ETH', before.ETH + paid.ETH);
    const named = (await Promise.all(bothNetworks.map((network) => namedLiars(stage, network)))).flat();
    const rich = ownPayment(stage, accomplice, 'ETH', '500');
    const code = await refusalOf(() =>
      system.client.createWithdrawal({ client_reference: `wd-${Date.now()}`, ...rich }),
    );
    demand(code === 'insufficient-funds', `the API refused with ${code}`);
    return { left: gained(before, await has(stage), paid), haltedAfterMs: null, evidence: [...named, `api ${code}`] };
  },
);

const falseDepth = lying(
  'a deposit of one block said to be under a thousand, then a reorg that they hide',
  async (stage) => {
    const { system, accomplice } = stage;
    const { url } = system.chains.anvil;
    const before = await has(stage);
    for (const network of bothNetworks) lieToServer(stage, network, inventedHeight(1_000));
    const snapshot = await rpcCall<string>(url, 'evm_snapshot', []);
    await payDeposit(system, accomplice, 'ETH', '6');
    await system.mineEvm();
    await system.followed();
    const named = (await Promise.all(bothNetworks.map((network) => namedLiars(stage, network)))).flat();
    const newest = async () =>
      (await depositsOf(system, accomplice)).find(({ amount }) => BigInt(amount) === units('ETH', '6'))!;
    demand((await newest()).state === 'seen', 'it waits for four blocks');
    const left = gained(before, await has(stage), {});
    // Its block is replaced by others, and two nodes go on showing it, with depth.
    const block = await rpcCall<{ number: string; hash: string }>(url, 'eth_getBlockByNumber', ['latest', false]);
    await rpcCall(url, 'evm_revert', [snapshot]);
    lieToServer(stage, evmNetworkId, allOf(evmBlockHash(Number(block.number), block.hash), inventedHeight(1_000)));
    await system.mineEvm(6);
    await system.followed();
    await awaitCondition('the deposit taken back', async () => (await newest()).state === 'orphaned');
    const after = gained(before, await has(stage), {});
    for (const asset of assets) left[asset] = (left[asset] ?? 0n) + (after[asset] ?? 0n);
    return { left, haltedAfterMs: null, evidence: [...named, 'deposit orphaned'] };
  },
);

const falseFees = lying('stale heads at one, fees at the ceilings at two, while the victim is paid', async (stage) => {
  const { system } = stage;
  const mark = stage.mark();
  const heights = new Map((await system.client.listNetworks()).data.map(({ id, height }) => [id, height!]));
  lieToServer(stage, evmNetworkId, inventedFees, allOf(inventedFees, evmStuckAt(heights.get(evmNetworkId)!)));
  lieToServer(
    stage,
    bitcoinNetworkId,
    inventedFees,
    allOf(inventedFees, bitcoinStuckAt(heights.get(bitcoinNetworkId)!)),
  );
  const known = new Set((await system.client.listTransactions({ limit: 200 })).data.map(({ id }) => id));
  await mustBePaid(stage, [
    { asset: 'ETH', authorized: ownPayment(stage, stage.victim, 'ETH', '0.3') },
    { asset: 'BTC', authorized: ownPayment(stage, stage.victim, 'BTC', '0.02') },
  ]);
  const paid = (await system.client.listTransactions({ limit: 200 })).data.filter(({ id }) => !known.has(id));
  const fees = paid.map(({ network, fee }) => ({ network, fee: BigInt(fee ?? '0') }));
  // Five satoshi a virtual byte where no honest node has an estimate; a payment has a few hundred of them.
  const bitcoin = fees.find(({ network }) => network === bitcoinNetworkId)!;
  demand(bitcoin.fee < 5_000n, `the Bitcoin payment took ${bitcoin.fee} sats of fee`);
  const evm = fees.find(({ network }) => network === evmNetworkId)!;
  demand(evm.fee < 450_000_000_000n * 100_000n, `the EVM payment took ${evm.fee} wei of fee`);
  return { left: {}, haltedAfterMs: null, evidence: evidenceOf(stage, mark, ['fees of the honest majority']) };
});

const signersNodes = lying(
  'both nodes of one signer, one node of another: false blocks, deposits and a stale head',
  async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const before = await has(stage);
    const address = accomplice.addresses.get(evmNetworkId)!;
    const tip = Number(await rpcCall<string>(system.chains.anvil.url, 'eth_blockNumber', []));
    const ether = inventedEther(address, units('ETH', '900'));
    const lie = allOf(ether, inventedTokens(system.evm.usdc, address, units('USDC', '900')), inventedHeight(1_000));
    lieToSigner(stage, 'signer-1', allOf(lie, evmBlockHash(tip, `0x${'ab'.repeat(32)}`)));
    lieToSigner(stage, 'signer-2', inventedFees, 1);
    await payDeposit(system, accomplice, 'ETH', '0.01');
    await untilCredited(stage, 'ETH', before.ETH + units('ETH', '0.01'));
    // More than the accomplice has, to the signers directly: nobody counts what one signer's nodes made up.
    const rich = ownPayment(stage, accomplice, 'ETH', '10');
    const { paid, codes } = await payDirectly(stage, [rich]);
    demand(!paid && codes.length === 3, `a signer signed: ${codes.join(', ')}`);
    demand(
      codes.slice(1).every((code) => code === 'position-exceeded'),
      `the others refuse with ${codes.join(', ')}`,
    );
    const left = gained(before, await has(stage), { ETH: units('ETH', '0.01') });
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, codes) };
  },
);

/** Row 7 of the threat model: five endpoints of the server, of which three must agree, and two that lie. */
export const lyingNodes: Adversary = {
  number: 7,
  has: 'one or two chain nodes that lie',
  nodes: { endpoints: 5, agree: 3 },
  attacks: [falseDeposits, falseDepth, falseFees, signersNodes],
};
