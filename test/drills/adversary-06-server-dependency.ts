import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import type { AssetName } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { mineUntilAll, received, units } from '../support/payouts.ts';
import type { Adversary, Attack } from './attack.ts';
import { scriptOf } from './attack-tools-bitcoin-bytes.ts';
import { evidenceOf, ownPayment } from './attack-tools-refusals.ts';
import type { DrillStage } from './drill-stage.ts';

const poison = new URL('./poisoned-dependency.ts', import.meta.url);

/** Runs the server with one poisoned package while something is tried, and the honest one again afterwards. */
async function withPoisoned<T>(
  { system }: DrillStage,
  substitution: { readonly package: string; readonly from: string; readonly to: string },
  act: () => Promise<T>,
): Promise<T> {
  const url = new URL(poison);
  url.search = new URLSearchParams(substitution).toString();
  await system.server().stop();
  await system.startServer({ nodeOptions: [`--import=${url.href}`] });
  try {
    return await act();
  } finally {
    await system.server().stop();
    await system.startServer();
  }
}

/** The victim withdraws to an address of their own; the package makes another of it on the way to the signers. */
function withdrawalTo(input: {
  readonly package: string;
  readonly name: string;
  readonly asset: AssetName;
  readonly coins: string;
  /** What the package sees of an address. */
  readonly seen: (address: string) => string;
  readonly code: ErrorCode;
}): Attack {
  const { asset, coins, seen, code } = input;
  return {
    name: input.name,
    run: async (stage) => {
      const { system, victim } = stage;
      const mark = stage.mark();
      const thief = await stage.thief(asset);
      const own = victim.destinations[asset];
      const before = await received(system, asset, own);
      const substitution = { package: input.package, from: seen(own), to: seen(thief) };
      const id = await withPoisoned(stage, substitution, async () => {
        const authorized = ownPayment(stage, victim, asset, coins);
        const reference = `wd-${randomBytes(8).toString('hex')}`;
        const asked = await system.client.createWithdrawal({ client_reference: reference, ...authorized });
        // Two refusals are a quorum's: no third signer can make up for them.
        await awaitCondition(
          `two signers refusing with ${code}`,
          async () => stage.evidenceSince(mark).filter((line) => line === `refused ${code}`).length >= 2,
          20_000,
          30,
        );
        return asked.id;
      });
      const evidence = evidenceOf(stage, mark);
      const other = evidence.find((line) => line !== `refused ${code}`);
      if (other !== undefined) throw new Error(`beside ${code} the signers recorded ${other}`);
      // The very same request, by the honest server: paid as it says.
      await mineUntilAll(system, [id], 'settled');
      const paid = (await received(system, asset, own)) - before;
      if (paid !== units(asset, coins)) throw new Error(`the victim got ${paid}`);
      const left = { [asset]: await stage.stolen(asset, thief) };
      return { left, haltedAfterMs: null, evidence };
    },
  };
}

const calldata = withdrawalTo({
  package: 'micro-eth-signer',
  name: 'the encoder of calldata puts its own address into a token transfer',
  asset: 'USDC',
  coins: '120',
  seen: (address) => address,
  code: 'payment-mismatch',
});

const script = withdrawalTo({
  package: '@noble/hashes',
  name: 'the reader of hexadecimal puts its own script into a Bitcoin transaction',
  asset: 'BTC',
  coins: '0.02',
  seen: scriptOf,
  code: 'payment-mismatch',
});

const rows = withdrawalTo({
  package: 'pg',
  name: 'the database driver reads its own address everywhere, so that intent and transaction agree',
  asset: 'ETH',
  coins: '0.4',
  seen: (address) => address,
  code: 'authorization-invalid',
});

const depositAddress: Attack = {
  name: 'the web framework answers with its own deposit address',
  run: async (stage) => {
    const { system, victim } = stage;
    const mark = stage.mark();
    const thief = await stage.thief('ETH');
    const request = { customer: victim.id, network: evmNetworkId };
    const own = victim.addresses.get(evmNetworkId)!;
    const answered = await withPoisoned(stage, { package: 'fastify', from: own, to: thief }, async () =>
      system.client.issueDepositAddress(request).then(
        ({ address }) => address,
        (error: unknown) => (error instanceof Failure ? error.code : String(error)),
      ),
    );
    // The integrator's library wants the statements of a quorum of signers about the address that it was given.
    if (answered !== 'attestation-invalid') throw new Error(`the client took ${answered}`);
    const { address } = await system.client.issueDepositAddress(request);
    if (address !== own) throw new Error(`the honest server answers with ${address}`);
    const left = { ETH: await stage.stolen('ETH', thief) };
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, ['client attestation-invalid']) };
  },
};

/** npm, September 2025: one package that everybody has rewrites recipients. The console is not built. */
export const serverDependency: Adversary = {
  number: 6,
  has: 'one run-time dependency of the server',
  attacks: [calldata, script, rows, depositAddress],
};
