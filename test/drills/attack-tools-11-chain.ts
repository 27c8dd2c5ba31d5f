import { randomBytes } from 'node:crypto';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import { type AssetName, requestWithdrawal, withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { mineUntilAll, units } from '../support/payouts.ts';
import type { Attack } from './attack.ts';
import {
  bitcoinRequest,
  evmRequest,
  execute,
  hotAddresses,
  hotCoins,
  safeNonce,
  sendBitcoin,
  signBitcoin,
  testBitcoin,
  tryOut,
} from './attack-tools-chains.ts';
import { mustBe } from './attack-tools-signers.ts';
import { encodeExecTransaction, packSignatures } from '@holdfast/core/chains/evm/build.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { mustRevert } from './attack-tools-evm-calls.ts';
import { pass } from './attack-tools-governance.ts';
import type { DrillStage } from './drill-stage.ts';

/** A withdrawal of the thief's own customer, to an address of its own. */
export function askedFor({ system, accomplice }: DrillStage, asset: AssetName, coins: string): AuthorizedIntent {
  const intent = withdrawalIntent(system, accomplice, asset, coins, accomplice.destinations[asset]);
  return system.authorizeWithPasskey(intent);
}

/** The victim is paid through the whole system, until it is final. */
async function payVictim({ system, victim }: DrillStage, asset: AssetName, coins: string): Promise<void> {
  const { destinations } = victim;
  const asked = await requestWithdrawal(system, victim, asset, coins, destinations[asset], system.authorizeWithPasskey);
  await mineUntilAll(system, [asked.id], 'settled');
}

/** The very intent of the kept signatures, through the whole system, until it is final. */
async function payAgain({ system }: DrillStage, authorized: AuthorizedIntent): Promise<void> {
  const reference = `wd-${randomBytes(8).toString('hex')}`;
  const asked = await system.client.createWithdrawal({ client_reference: reference, ...authorized });
  await mineUntilAll(system, [asked.id], 'settled');
}

/** A withdrawal of the accomplice that a quorum signed, and what its destination had before. */
async function keepSigned(stage: DrillStage) {
  const { system, accomplice, asServer } = stage;
  const before = await stage.stolen('ETH', accomplice.destinations.ETH);
  const asked = askedFor(stage, 'ETH', '0.1');
  const request = evmRequest(system, [asked], await safeNonce(system));
  const owners = await Promise.all(asServer.slice(0, 2).map((client) => client.call('/v1/sign/evm', request)));
  const tx = request.safe_transaction;
  // It is good as long as its nonce is: the Safe is asked, nothing is sent.
  mustBe('the kept one, at first', await tryOut(system, tx, packSignatures(owners)), 'executed');
  return { asked, before, tx, owners };
}

export const keptSafe: Attack = {
  name: 'a signed Safe transaction is kept back, its withdrawal paid by another, and then it is sent',
  run: async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const { asked, before, tx, owners } = await keepSigned(stage);
    await payVictim(stage, 'ETH', '1');
    await payAgain(stage, asked);
    const said = await execute(system, tx, owners);
    const received = (await stage.stolen('ETH', accomplice.destinations.ETH)) - before;
    mustBe('the withdrawal itself', received >= units('ETH', '0.1') ? 'paid' : 'unpaid', 'paid');
    const evidence = [...stage.evidenceSince(mark), `chain ${said}`];
    return { left: { ETH: received - units('ETH', '0.1') }, haltedAfterMs: null, evidence };
  },
};

/** Nothing else was ever signed for its nonce: only its deadline stands between it and the chain. */
export const keptTooLong: Attack = {
  name: 'a signed Safe transaction is kept back until after its deadline, and then it is sent',
  run: async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const { before, tx, owners } = await keepSigned(stage);
    await pass(system, 3_600 + 60);
    const data = encodeExecTransaction(tx, packSignatures(owners));
    const late = { name: 'the kept one', error: 'DeadlinePassed', to: system.evm.safe, data };
    const evidence = await mustRevert(system, [late], devnetKeys.spare);
    const received = (await stage.stolen('ETH', accomplice.destinations.ETH)) - before;
    return { left: { ETH: received }, haltedAfterMs: null, evidence: [...stage.evidenceSince(mark), ...evidence] };
  },
};

export const keptBitcoin: Attack = {
  name: 'a signed Bitcoin transaction is kept back, its coin spent and its withdrawal paid by others, and then it is sent',
  run: async (stage) => {
    const { system, accomplice, asServer } = stage;
    const mark = stage.mark();
    const before = await stage.stolen('BTC', accomplice.destinations.BTC);
    const asked = askedFor(stage, 'BTC', '0.01');
    const derive = await hotAddresses(system, asServer[0]!);
    const [largest] = await hotCoins(system, derive);
    const request = bitcoinRequest([largest!], [asked], derive, 2_000);
    const kept = await signBitcoin(asServer.slice(0, 2), request, [largest!]);
    mustBe('the kept one, at first', await testBitcoin(system, kept), 'accepted');
    // More than all other coins hold: the largest one goes.
    await payVictim(stage, 'BTC', '1.9');
    await payAgain(stage, asked);
    const said = await sendBitcoin(system, kept);
    const received = (await stage.stolen('BTC', accomplice.destinations.BTC)) - before;
    mustBe('the withdrawal itself', received >= units('BTC', '0.01') ? 'paid' : 'unpaid', 'paid');
    const evidence = [...stage.evidenceSince(mark), `chain ${said}`];
    return { left: { BTC: received - units('BTC', '0.01') }, haltedAfterMs: null, evidence };
  },
};
