import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { signRecord } from '@holdfast/client/sign-record.ts';
import { addr } from 'micro-eth-signer';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { DestinationRecord } from '@holdfast/core/signing/customer-record.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { MeshResponse, SignEvmRequest, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { type AssetName, withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { transcriptHash } from '@holdfast/signer/transcripts/transcript-store.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { units } from '../support/payouts.ts';
import type { Adversary, Attack, Outcome } from './attack.ts';
import { thiefTaproot } from './attack-tools-bitcoin-bytes.ts';
import {
  bitcoinRequest,
  bitcoinTxid,
  evmRequest,
  execute,
  hotAddresses,
  hotCoins,
  payOut,
  safeEther,
  safeHash,
  safeNonce,
  sendBitcoin,
} from './attack-tools-chains.ts';
import { signWithThief } from './attack-tools-frost.ts';
import {
  codeOf,
  type FalseSigner,
  mustBe,
  replaceSigner,
  stealSigner,
  type StolenSigner,
} from './attack-tools-signers.ts';
import { type Banked, type DrillStage } from './drill-stage.ts';

/** What may leave in 24 hours while a signer is away: the bound of the attacks that cut one off. */
const degraded: Readonly<Record<AssetName, string>> = { BTC: '0.05', ETH: '0.5', USDT: '500', USDC: '500' };

function policy(version1: Policy): void {
  for (const network of version1.networks) {
    const assets = network.family === 'evm' ? network.assets : [network];
    for (const asset of assets) {
      asset.degraded_per_day_max = units(asset.code as AssetName, degraded[asset.code as AssetName]).toString();
    }
  }
}

interface Thief {
  readonly stage: DrillStage;
  readonly stolen: StolenSigner;
  readonly fake: FalseSigner;
  /** A payment that the owner of a passkey has asked for. */
  readonly asked: (customer: Banked, asset: AssetName, coins: string) => AuthorizedIntent;
  /** The stolen owner key and the honest signer's answer, executed. */
  readonly executeWith: (honest: number, request: SignEvmRequest) => Promise<string>;
}

/** Runs an attack with signer-1 replaced by the thief's own process. */
function withThief(run: (thief: Thief) => Promise<Outcome>): Attack['run'] {
  return async (stage) => {
    const { system } = stage;
    const stolen = await stealSigner(stage);
    const fake = await replaceSigner(stage, stolen);
    try {
      return await run({
        stage,
        stolen,
        fake,
        asked: (customer, asset, coins) =>
          system.authorizeWithPasskey(withdrawalIntent(system, customer, asset, coins, customer.destinations[asset])),
        executeWith: async (honest, request) => executeAs(stage, stolen, honest, request),
      });
    } finally {
      await fake.stop();
      stolen.close();
    }
  };
}

async function executeAs(
  { system, asServer }: DrillStage,
  { owner }: StolenSigner,
  honest: number,
  request: SignEvmRequest,
): Promise<string> {
  const answer = await asServer[honest]!.call('/v1/sign/evm', request);
  const own = {
    owner: owner.address,
    signature: bytesToHex(await owner.sign(safeHash(system, request.safe_transaction))),
  };
  return execute(system, request.safe_transaction, [own, answer]);
}

/** One of the thief's customers asks once; each quorum that the thief belongs to is to pay it. */
const twoQuorums: Attack = {
  name: 'one withdrawal through two quorums that both hold the stolen key',
  run: withThief(async ({ stage, asked, executeWith, fake }) => {
    const { system, accomplice, asServer } = stage;
    const mark = stage.mark();
    const before = await stage.stolen('ETH', accomplice.destinations.ETH);
    const intents = [asked(accomplice, 'ETH', '0.1')];
    const nonce = await safeNonce(system);
    mustBe('the first quorum pays', await executeWith(1, evmRequest(system, intents, nonce)), 'executed');
    if (fake.asked.length === 0) throw new Error('the honest signer has not asked the stolen one');
    for (const honest of [2, 1]) {
      const again = codeOf(asServer[honest]!.call('/v1/sign/evm', evmRequest(system, intents, nonce + 1n)));
      mustBe('the second quorum', await again, 'already-paid-by');
    }
    const received = (await stage.stolen('ETH', accomplice.destinations.ETH)) - before;
    return { left: { ETH: received - units('ETH', '0.1') }, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  }),
};

const atOnce: Attack = {
  name: 'one Bitcoin withdrawal out of two coins, asked of two quorums at once',
  run: withThief(async ({ stage, asked, stolen }) => {
    const { system, accomplice, asServer } = stage;
    const mark = stage.mark();
    const before = await stage.stolen('BTC', accomplice.destinations.BTC);
    const derive = await hotAddresses(system, asServer[1]!);
    const [one, other] = await hotCoins(system, derive);
    if (!one || !other) throw new Error('two coins are needed');
    const intents = [asked(accomplice, 'BTC', '0.01')];
    const sent = await Promise.all(
      [one, other].map(async (coin, at) => {
        const request = bitcoinRequest([coin], intents, derive, 1_000 + at);
        const attempt = async (): Promise<string> =>
          sendBitcoin(system, await signWithThief(stolen.share, asServer[1 + at]!, request, [coin]));
        // Both at once, and then whichever was refused once more.
        const first = await codeOf(attempt());
        return first === 'accepted' ? first : codeOf(attempt());
      }),
    );
    const received = (await stage.stolen('BTC', accomplice.destinations.BTC)) - before;
    const refused = sent.find((code) => code !== 'accepted') ?? 'nothing refused';
    mustBe('one of two', refused, 'already-paid-by', 'reservation-refused');
    const left = received === 0n ? 0n : received - units('BTC', '0.01');
    return { left: { BTC: left }, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  }),
};

/** The address book takes an entry on the integrator's word too; its delay is what warns the customer. */
async function addForVictim({ system, victim, asServer }: DrillStage, address: string): Promise<void> {
  const record: DestinationRecord = {
    version: 1,
    kind: 'destination',
    action: 'add',
    customer: victim.id,
    network: evmNetworkId,
    address: addr.addChecksum(address),
    nonce: randomBytes(12).toString('hex'),
  };
  const { keyId, seed } = system.parties.integrator;
  const signed = { record, authorization: signRecord(record, { keyId, privateKey: seed }) };
  for (const client of asServer.slice(1)) {
    const { results } = await client.call('/v1/records', { records: [signed] });
    mustBe('the entry of the thief', results[0]?.state ?? 'none', 'accepted');
  }
  await sleep(2_100);
}

/** Takes the victim's coins in pieces until the honest signer refuses. @returns the last refusal, and the Safe hashes of what was paid. */
async function drain(
  { stage, executeWith }: Thief,
  honest: number,
  asset: AssetName,
  pieces: readonly string[],
  to: string,
): Promise<{ last: string; hashes: string[] }> {
  const { system, victim } = stage;
  const hashes: string[] = [];
  let last = 'accepted';
  for (const coins of pieces) {
    const intents = [system.authorize(withdrawalIntent(system, victim, asset, coins, to))];
    const request = evmRequest(system, intents, await safeNonce(system));
    last = await codeOf(executeWith(honest, request).then((found) => mustBe('a payment', found, 'executed')));
    if (last === 'accepted') hashes.push(bytesToHex(safeHash(system, request.safe_transaction)));
  }
  return { last, hashes };
}

const cutOff: Attack = {
  name: "signer-3 is cut off and victims' coins are taken with the integrator's key from the host",
  bound: { ETH: units('ETH', degraded.ETH) },
  run: withThief(async (thief) => {
    const { stage } = thief;
    const { system } = stage;
    const mark = stage.mark();
    const address = await stage.thief('ETH');
    await addForVictim(stage, address);
    await system.signer('signer-3').stop();
    const { last, hashes } = await drain(thief, 1, 'ETH', ['0.2', '0.19', '0.11', '0.04', '0.011', '0.012'], address);
    mustBe('the end of it', last, 'degraded-limit');
    const left = await stage.stolen('ETH', address);
    // Cut off no longer, it knows what was signed without it, from the honest signer.
    await system.startSigner('signer-3');
    await awaitCondition('what left, at signer-3', async () => knowsAll(stage, 'signer-3', hashes), 20_000, 50);
    return { left: { ETH: left }, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  }),
};

function knowsAll(stage: DrillStage, signer: string, hashes: readonly string[]): boolean {
  const known = new Set(
    stage.journal(signer).flatMap((record) => (record.kind === 'accepted' ? [record.body.txid] : [])),
  );
  return hashes.length > 0 && hashes.every((hash) => known.has(hash));
}

/** The policy takes 300 sat/vB: three times its fallback, for the nodes of a regtest have no estimate. */
const highestRate = 299;

/** Tiny payments to the thief's own customer, each with the highest fee that passes, mined by the thief's friend. */
const feesToMiner: Attack = {
  name: 'signer-3 is cut off and tiny payments with the highest fees go to a miner who is a friend',
  bound: { BTC: units('BTC', degraded.BTC) },
  run: withThief(async ({ stage, asked, stolen }) => {
    const { system, accomplice, asServer } = stage;
    const mark = stage.mark();
    const { rpc } = system.chains.bitcoin!.miner;
    const { address: friend } = thiefTaproot();
    const before = await stage.stolen('BTC', accomplice.destinations.BTC);
    const derive = await hotAddresses(system, asServer[1]!);
    await system.signer('signer-3').stop();
    const hashes: string[] = [];
    let left = 0n;
    let last = 'accepted';
    // Many payments make long transactions, whose fees are high at a rate that passes.
    for (const [at, payments] of [190, 190, 190, 190, 40, 20, 20].entries()) {
      const [coin] = await hotCoins(system, derive);
      const intents = Array.from({ length: payments }, () => asked(accomplice, 'BTC', '0.00001'));
      const request = bitcoinRequest([coin!], intents, derive, 23 - at, highestRate);
      const attempt = async (): Promise<unknown> =>
        rpc('sendrawtransaction', [await signWithThief(stolen.share, asServer[1]!, request, [coin!]), 0]);
      last = await codeOf(attempt());
      if (last !== 'accepted') continue;
      hashes.push(bitcoinTxid(request.raw_tx));
      left -= BigInt(payments) * units('BTC', '0.00001');
      const [block] = await rpc<string[]>('generatetoaddress', [1, friend]);
      left += BigInt((await rpc<{ totalfee: number }>('getblockstats', [block, ['totalfee']])).totalfee);
    }
    if (hashes.length === 0) throw new Error('no fee was paid: the attack did not get as far as the limit');
    await system.startSigner('signer-3');
    await awaitCondition('what left, at signer-3', async () => knowsAll(stage, 'signer-3', hashes), 20_000, 50);
    // The customer's own payments are no loot.
    left += (await stage.stolen('BTC', accomplice.destinations.BTC)) - before;
    // A broken bound is worth its figure.
    if (left <= units('BTC', degraded.BTC)) mustBe('the end of it', last, 'degraded-limit');
    return { left: { BTC: left }, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  }),
};

const oneAfterTheOther: Attack = {
  name: 'the honest signers are cut off in turn, each to pay the degraded limit with the stolen key',
  bound: { USDC: units('USDC', degraded.USDC) },
  run: withThief(async (thief) => {
    const { stage } = thief;
    const { system } = stage;
    const mark = stage.mark();
    const address = await stage.thief('USDC');
    await addForVictim(stage, address);
    const pieces = ['250', '150', '100', '60', '30', '10'];
    await system.signer('signer-3').stop();
    const first = await drain(thief, 1, 'USDC', pieces, address);
    // Before signer-3 can ask it, the one that knows is away.
    await system.signer('signer-2').stop();
    await system.startSigner('signer-3');
    const second = await drain(thief, 2, 'USDC', pieces, address);
    mustBe('the end of it', first.last, 'degraded-limit');
    // It may have seen on the chain what it was not told of.
    mustBe('the end of it', second.last, 'degraded-limit', 'halted');
    const left = await stage.stolen('USDC', address);
    if (left === 0n) throw new Error('the degraded mode paid nothing: the attack did not get as far as the limit');
    await system.startSigner('signer-2');
    return { left: { USDC: left }, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  }),
};

/** A thief's customer asks for more than it has; the peers are to take the transaction for one that was signed already. */
const plantedFact: Attack = {
  name: 'a payment above the position is handed to the peers as signed long ago, and then asked for, also in other bytes',
  run: async (stage) => {
    const { system, accomplice, asServer } = stage;
    const mark = stage.mark();
    const before = await stage.stolen('ETH', accomplice.destinations.ETH);
    const ask = (coins: string): AuthorizedIntent =>
      system.authorizeWithPasskey(withdrawalIntent(system, accomplice, 'ETH', coins, accomplice.destinations.ETH));
    const planted = [ask('15')];
    const nonce = await safeNonce(system);
    const body = evmRequest(system, planted, nonce);
    // A replacement at the same nonce, which takes nothing twice.
    const bodies = [body, evmRequest(system, [...planted, ask('0.001')], nonce)];
    const request: SigningRequest = { family: 'evm', body };
    const txid = bytesToHex(safeHash(system, body.safe_transaction));
    for (const honest of [1, 2]) {
      mustBe('asked for at once', await codeOf(asServer[honest]!.call('/v1/sign/evm', body)), 'position-exceeded');
    }
    const stolen = await stealSigner(stage);
    // Behind everything that the peers have taken over of it.
    const seq = stolen.head().seq + 1;
    const signed = [signedStatement(stolen, request, txid)];
    const fake = await replaceSigner(stage, stolen, {
      '/v1/mesh/transcripts': async ({ after }): Promise<MeshResponse<'/v1/mesh/transcripts'>> => {
        const transcripts = after < seq ? [{ seq, request, txid, signed }] : [];
        return { transcripts, next: Math.max(after, seq), done: true };
      },
    });
    try {
      await Promise.all(
        [1, 2].map((honest) =>
          stolen
            .mesh(`signer-${honest + 1}`)('/v1/mesh/signed', signed[0]!)
            .catch(() => undefined),
        ),
      );
      for (const signer of ['signer-2', 'signer-3']) {
        await awaitCondition('the planted fact', async () => knowsAll(stage, signer, [txid]), 20_000, 50);
      }
      for (const honest of [1, 2]) {
        for (const asked of bodies) await codeOf(executeAs(stage, stolen, honest, asked));
      }
      const left = (await stage.stolen('ETH', accomplice.destinations.ETH)) - before;
      return { left: { ETH: left }, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
    } finally {
      await fake.stop();
      stolen.close();
    }
  },
};

function signedStatement(stolen: StolenSigner, request: SigningRequest, txid: string) {
  const network = request.body.network;
  const statement = { version: 1, signer: stolen.id, network, txid, request: transcriptHash(request) } as const;
  return { statement, signature: stolen.statement.sign(statementDigest('signed', statement)) };
}

const borrowed: Attack = {
  name: "forged requests that only the stolen signer reserves, and an honest signature pasted under the thief's payment",
  run: withThief(async ({ stage, asked, stolen }) => {
    const { system, victim, asServer } = stage;
    const mark = stage.mark();
    const address = await stage.thief('ETH');
    const nonce = await safeNonce(system);
    const genuine = asked(victim, 'ETH', '1');
    const forgeries: AuthorizedIntent[] = [
      // The victim's own passkey, over another destination and over another amount.
      { ...genuine, intent: { ...genuine.intent, destination: address } },
      { ...genuine, intent: { ...genuine.intent, amount: units('ETH', '19').toString() } },
      { ...genuine, intent: { ...genuine.intent, nonce: randomUUID() } },
    ];
    for (const forged of forgeries) {
      for (const honest of [1, 2]) {
        const code = await codeOf(asServer[honest]!.call('/v1/sign/evm', evmRequest(system, [forged], nonce)));
        mustBe('a forged intent', code, 'authorization-invalid');
      }
    }
    // What the victim did ask for is signed; the signature is good for that and nothing else.
    const honest = await asServer[1]!.call('/v1/sign/evm', evmRequest(system, [genuine], nonce));
    const drained = payOut(system, address, await safeEther(system), nonce);
    const own = {
      owner: stolen.owner.address,
      signature: bytesToHex(await stolen.owner.sign(safeHash(system, drained))),
    };
    const said = await execute(system, drained, [own, honest]);
    if (said === 'executed') throw new Error('the Safe took a signature of another transaction');
    const evidence = [...stage.evidenceSince(mark), `chain ${said}`];
    return { left: { ETH: await stage.stolen('ETH', address) }, haltedAfterMs: null, evidence };
  }),
};

export const signerAndServer: Adversary = {
  number: 3,
  has: 'one signer (quorum minus one), and the server',
  policy,
  attacks: [twoQuorums, atOnce, borrowed, cutOff, feesToMiner, oneAfterTheOther, plantedFact],
};
