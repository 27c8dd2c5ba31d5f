import { setTimeout as sleep } from 'node:timers/promises';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { toHex } from '@holdfast/devnet/evm/abi.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { askedFor } from '../drills/attack-tools-11-chain.ts';
import {
  drainTo,
  evmRequest,
  execute,
  hotAddresses,
  hotCoins,
  payOut,
  safeHash,
  safeNonce,
  sendBitcoin,
} from '../drills/attack-tools-chains.ts';
import { signWithShares } from '../drills/attack-tools-frost.ts';
import { stealSigner, type StolenSigner } from '../drills/attack-tools-signers.ts';
import { type DrillStage, signerNames, startDrillStage } from '../drills/drill-stage.ts';

/** Whoever has a quorum of keys moves funds; but not without every signer seeing it. */
const withinMs = 10_000;
let stage: DrillStage;
/** Their keys, opened from two disks: no signer process sees what they sign. */
let stolen: readonly StolenSigner[];

beforeAll(async () => {
  stage = await startDrillStage();
  stolen = await Promise.all([stealSigner(stage, 'signer-1'), stealSigner(stage, 'signer-2')]);
});
afterAll(async () => {
  for (const one of stolen ?? []) one.close();
  await stage?.stop();
});
beforeEach(() => stage.calm());

const someone = 0x1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1fn;
const word = (value: bigint): string => `0x${value.toString(16).padStart(64, '0')}`;

async function executeUnseen(tx: SafeTransaction): Promise<void> {
  const hash = safeHash(stage.system, tx);
  const owners = await Promise.all(
    stolen.map(async ({ owner }) => ({ owner: owner.address, signature: bytesToHex(await owner.sign(hash)) })),
  );
  expect(await execute(stage.system, tx, owners)).toBe('executed');
}

/** What no owner could do past the guard. @param slots of the Safe with their values, as numbers. */
async function changeSafe(slots: readonly (readonly [bigint, bigint])[]): Promise<void> {
  const { chains, evm } = stage.system;
  for (const [slot, value] of slots) {
    await rpcCall(chains.anvil.url, 'anvil_setStorageAt', [evm.safe, word(slot), word(value)]);
  }
  await stage.system.mineEvm();
}

/** Every signer halts of its own accord, not on the word of a peer: whoever comes later would halt the next test. */
async function allHaltedFor(reason: string): Promise<void> {
  const startedAtMs = performance.now();
  const isOwn = (signer: string): boolean =>
    stage
      .journal(signer)
      .some(({ kind, body }) => kind === 'halt' && body.by === signer && body.statement.reason.startsWith(reason));
  await awaitCondition(`every signer’s own ${reason}`, async () => signerNames.every(isOwn), withinMs, 50);
  await stage.haltedAfterMs(startedAtMs, withinMs);
}

async function reasons(): Promise<string[]> {
  const all = await Promise.all(stage.asServer.map((client) => client.call('/v1/status', {})));
  return all.flatMap(({ halts }) => halts.map(({ statement }) => statement.reason));
}

describe('what leaves', () => {
  it('an execution that no signer signed halts every signer', async () => {
    const tx = payOut(stage.system, `0x${someone.toString(16)}`, 10n ** 16n, await safeNonce(stage.system));
    await executeUnseen(tx);
    await allHaltedFor(`unsigned outflow ${bytesToHex(safeHash(stage.system, tx))} on ${evmNetworkId}`);
  });

  it('a Bitcoin spend that no signer signed halts every signer', async () => {
    const { system, asServer } = stage;
    const coins = (await hotCoins(system, await hotAddresses(system, asServer[0]!))).slice(-1);
    const { rawTx } = drainTo(coins, await stage.thief('BTC'));
    const shares = stolen.map(({ share }) => share);
    expect(await sendBitcoin(system, signWithShares(shares, rawTx, coins))).toBe('accepted');
    await allHaltedFor(`unsigned outflow ${inspectBitcoinTransaction(rawTx).txid} on ${bitcoinNetworkId}`);
  });

  it('an execution that signers did sign halts nobody, whoever sends it', async () => {
    const { system, asServer } = stage;
    const request = evmRequest(system, [askedFor(stage, 'ETH', '0.01')], await safeNonce(system));
    const owners = await Promise.all(asServer.slice(0, 2).map((client) => client.call('/v1/sign/evm', request)));
    expect(await execute(system, request.safe_transaction, owners)).toBe('executed');
    // As long as a halt took above, and more.
    await sleep(4_000);
    expect(await reasons()).toEqual([]);
  });
});

describe('a Safe that is not the one of the policy halts every signer', () => {
  const desk = (): bigint => BigInt(stage.system.evm.desk);
  // SafeStorage.sol: modules are the mapping in slot 1, a list with 1 as its head; the threshold is slot 4.
  const moduleSlot = (module: bigint) =>
    BigInt(toHex(keccak_256(hexToBytes(word(module).slice(2) + word(1n).slice(2)))));
  const handlerSlot = BigInt(toHex(keccak_256(utf8ToBytes('fallback_manager.handler.address'))));
  it.each<[string, () => [bigint, bigint][], () => [bigint, bigint][]]>([
    [
      'with a module',
      () => [
        [moduleSlot(1n), someone],
        [moduleSlot(someone), desk()],
      ],
      () => [
        [moduleSlot(1n), desk()],
        [moduleSlot(someone), 0n],
      ],
    ],
    ['with a lower threshold', () => [[4n, 1n]], () => [[4n, 2n]]],
    [
      'with another fallback handler',
      () => [[handlerSlot, someone]],
      () => [[handlerSlot, BigInt(stage.system.evm.handler)]],
    ],
  ])('%s', async (_, change, undo) => {
    await changeSafe(change());
    try {
      await allHaltedFor(`chain-mismatch on ${evmNetworkId}`);
    } finally {
      await changeSafe(undo());
      // Every signer sees it, and reports what changed it, before the next test lifts the halts.
      await sleep(2_500);
    }
  });
});
