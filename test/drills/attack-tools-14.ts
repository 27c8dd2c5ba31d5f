import { hexToBytes } from '@noble/hashes/utils.js';
import { loadArtifact } from '@holdfast/contracts/artifact.ts';
import { ownerKey } from '@holdfast/signer/keys/owner-key.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import { payDeposit } from '@holdfast/devnet/story/actors.ts';
import { executeCall, scheduleCall } from '../support/governance.ts';
import { units } from '../support/payouts.ts';
import type { System } from '../support/system.ts';
import type { Amounts, Attack } from './attack.ts';
import { authorise, everyTokenOf, relay } from './attack-tools-emergency.ts';
import { mustRevert, readWord, type RefusedCall, selectorOf, sendCalls } from './attack-tools-evm-calls.ts';
import {
  byGovernance,
  byModule,
  governanceKeys,
  notExecuted,
  type Operation,
  operation,
  pass,
  scheduleAll,
} from './attack-tools-governance.ts';
import { constitution, evmAssets, holds, holdings, tokenOf } from './attack-tools-quorum.ts';
import { addressWord, thiefAccount, thiefKey, transferCall, word } from './attack-tools-safe-bytes.ts';
import { mustBe, stealSigner, type StolenSigner } from './attack-tools-signers.ts';
import { sweepEther } from './attack-tools-sweep.ts';
import { accompliceBrings, type DrillStage, victimHas } from './drill-stage.ts';

/** Seconds of the time lock: on a real network days. */
export const delayS = 120;
const vetoMs = 20_000;
const huge = (1n << 127n) - 1n;

/** A signer that the thief does not have; its operator has seen what was scheduled. */
async function withSigner<T>(stage: DrillStage, id: string, act: (one: StolenSigner) => Promise<T>): Promise<T> {
  const one = await stealSigner(stage, id);
  try {
    return await act(one);
  } finally {
    one.close();
  }
}

/** One key cancels them all. @returns the call, for whoever kept it. */
async function veto(stage: DrillStage, id: string, operations: readonly string[]) {
  const { system } = stage;
  return withSigner(stage, id, async ({ emergency }) => {
    const call = await authorise(system, emergency, { kind: 'veto', operations: [...operations] });
    mustBe(`the veto of ${id}`, await relay(system, call), 'executed');
    return call;
  });
}

export const redirected: Attack = {
  name: 'deposits to the thief: scheduled, executed before its time, vetoed, scheduled again',
  withinMs: { vetoed: vetoMs },
  run: async (stage) => {
    const { system, victim } = stage;
    const thief = await stage.thief('ETH');
    const before = await constitution(system);
    const change = operation('another vault', system.evm.registry, 'setVault(address)', addressWord(thief));
    const evidence: string[] = [];
    const refuse = async (calls: readonly RefusedCall[]): Promise<void> =>
      void evidence.push(...(await mustRevert(system, calls, thiefKey)));
    const startedAtMs = performance.now();
    const ids = await scheduleAll(system, [change], delayS);
    await refuse(notExecuted(system, [change], 'before its time'));
    const kept = await veto(stage, 'signer-2', ids);
    const vetoed = Math.round(performance.now() - startedAtMs);
    await pass(system, delayS + 1);
    await refuse(notExecuted(system, [change], 'vetoed'));

    // The same id again: what was signed for the first time does not count, another signature does.
    await scheduleAll(system, [change], delayS);
    await refuse([{ name: 'the veto once more', error: 'NonceSpent', ...kept }]);
    await veto(stage, 'signer-3', ids);
    await pass(system, delayS + 1);
    await refuse(notExecuted(system, [change], 'vetoed twice'));
    mustBe('what rules the vault', (await constitution(system)) === before ? 'unchanged' : 'changed', 'unchanged');

    const held = await holds(system, 'ETH', system.evm.safe);
    await payDeposit(system, victim, 'ETH', '2');
    await system.mineEvm();
    await sweepEther(system, victim);
    const swept = (await holds(system, 'ETH', system.evm.safe)) - held;
    mustBe('a deposit', swept === units('ETH', '2') ? 'swept to the vault' : `${swept} wei`, 'swept to the vault');
    return { left: await holdings(system, thief), haltedAfterMs: null, afterMs: { vetoed }, evidence };
  },
};

/** The thief's own guard, which knows the time lock, and has no limits yet. */
async function deployGuard(system: System): Promise<string> {
  const rpcUrl = system.chains.anvil.url;
  const words = addressWord(system.evm.timelock) + addressWord(system.evm.multiSend) + word(96) + word(0);
  const data = loadArtifact('VaultGuard').bytecode + words;
  const txid = await sendTransaction({ rpcUrl, key: thiefKey, data, gasLimit: 4_000_000n });
  await system.mineEvm();
  const { contractAddress, status } = await waitForReceipt(rpcUrl, txid);
  if (status !== '0x1' || contractAddress === null) throw new Error('the guard was not deployed');
  return contractAddress;
}

/** Every way to the money that governance has. */
async function everyChange(system: System, thief: string): Promise<Operation[]> {
  const { safe, guard, desk, timelock, registry } = system.evm;
  const other = await deployGuard(system);
  const hot = await holds(system, 'ETH', safe);
  const thiefWord = addressWord(thiefAccount);
  const keys = system.first.policy.networks.flatMap((one) => (one.family === 'evm' ? (one.emergency?.keys ?? []) : []));
  const owners = system.first.policy.networks.flatMap((one) => (one.family === 'evm' ? one.safe_owners : []));
  const last = word(await readWord(system, guard, selectorOf('pauses()')));
  const limit = 'setLimit((address,uint128,uint128))';
  const call = (signature: string, ...words: readonly string[]): string => selectorOf(signature) + words.join('');
  const swap = call('swapOwner(address,address,address)', word(1), addressWord(owners[0]!), thiefWord);
  return [
    operation('another vault', registry, 'setVault(address)', addressWord(thief)),
    operation('another owner of the registry', registry, 'transferOwnership(address)', thiefWord),
    operation('a limit without end', guard, limit, word(0), word(huge), word(huge)),
    operation('an unpausing', guard, 'unpause(uint64)', last),
    operation('limits of another guard', other, limit, word(0), word(huge), word(huge)),
    byModule(system, 'another guard', safe, call('setGuard(address)', addressWord(other))),
    byModule(system, 'no guard', safe, call('setGuard(address)', word(0))),
    byModule(system, 'a module', safe, call('enableModule(address)', thiefWord)),
    byModule(system, 'an owner', safe, swap),
    byModule(system, 'all ether', thief, '', hot),
    byModule(system, 'tokens', system.evm.usdt, transferCall(thief, 1_000_000n)),
    ...keys.slice(0, 2).map((key) => operation(`no key ${key}`, desk, 'removeKey(address)', addressWord(key))),
    operation('a key of the thief', desk, 'addKey(address)', thiefWord),
    operation('a delay of a second', timelock, 'updateDelay(uint256)', word(1)),
    operation('a proposer', timelock, 'grantRole(bytes32,address)', roles.proposer, thiefWord),
    operation('no veto', timelock, 'revokeRole(bytes32,address)', roles.canceller, addressWord(desk)),
  ];
}

/** keccak256 of their names (TimelockController). */
const roles = {
  proposer: 'b09aa5aeb3702cfd50b6b62bc4532604938f21248a27a1d5ca736082b6819cc1',
  canceller: 'fd643c72710c63c0180259aba6b2d05451e3591a24e58b62239378085726f783',
};

export const everythingScheduled: Attack = {
  name: 'everything at once: modules, guards, limits, unpausing, owners, keys of the desk, roles, delay; one key vetoes all',
  withinMs: { vetoed: vetoMs },
  run: async (stage) => {
    const { system } = stage;
    const thief = await stage.thief('ETH');
    await withSigner(stage, 'signer-1', async ({ emergency }) => {
      mustBe('the pause', await relay(system, await authorise(system, emergency, { kind: 'pause' })), 'executed');
    });
    const before = await constitution(system);
    const changes = await everyChange(system, thief);
    const startedAtMs = performance.now();
    const ids = await scheduleAll(system, changes, delayS);
    const evidence = await mustRevert(system, notExecuted(system, changes, 'before its time'), thiefKey);
    await veto(stage, 'signer-1', ids);
    const vetoed = Math.round(performance.now() - startedAtMs);
    await pass(system, delayS + 1);
    evidence.push(...(await mustRevert(system, notExecuted(system, changes, 'vetoed'), thiefKey)));
    mustBe('what rules the vault', (await constitution(system)) === before ? 'unchanged' : 'changed', 'unchanged');
    mustBe('paused', String(await readWord(system, system.evm.guard, selectorOf('paused()'))), '1');
    const left = await holdings(system, thief);
    const notes = [`${changes.length} operations, one veto`];
    return { left, haltedAfterMs: null, afterMs: { vetoed }, evidence, notes };
  },
};

export const withoutWaiting: Attack = {
  name: 'the same without the time lock, with a shorter delay, and an evacuation that governance signs',
  run: async (stage) => {
    const { system } = stage;
    const { safe, guard, desk, timelock, registry } = system.evm;
    const thief = await stage.thief('ETH');
    const before = await constitution(system);
    const thiefWord = addressWord(thiefAccount);
    const limit = 'setLimit((address,uint128,uint128))';
    const change = operation('another vault', registry, 'setVault(address)', thiefWord);
    const all: readonly (readonly [Operation, string])[] = [
      [change, 'OwnableUnauthorizedAccount'],
      [operation('a limit', guard, limit, word(0), word(huge), word(huge)), 'NotTheGovernor'],
      [operation('an unpausing', guard, 'unpause(uint64)', word(1)), 'NotTheGovernor'],
      [operation('a pause', guard, 'pause()'), 'NotTheDesk'],
      [operation('a key', desk, 'addKey(address)', thiefWord), 'NotTheTimelock'],
      [operation('no key', desk, 'removeKey(address)', thiefWord), 'NotTheTimelock'],
      [operation('an item of an evacuation', desk, 'evacuateOne(address)', word(0)), 'NotTheDesk'],
      [operation('a delay', timelock, 'updateDelay(uint256)', word(1)), 'TimelockUnauthorizedCaller'],
      [
        operation('a role', timelock, 'grantRole(bytes32,address)', roles.proposer, thiefWord),
        'AccessControlUnauthorizedAccount',
      ],
      [byModule(system, 'a payment', thief, '', 1n), 'GS104'],
      [
        { name: 'a shorter delay', target: timelock, data: scheduleCall(change, delayS - 1) },
        'TimelockInsufficientDelay',
      ],
      [
        { name: 'nothing scheduled', target: timelock, data: hexToBytes(executeCall(change).slice(2)) },
        'TimelockUnexpectedOperationState',
      ],
    ];
    const calls = await Promise.all(
      all.map(async ([{ name, target, data }, error]) => {
        const call = await byGovernance(system, [{ to: target, data }]);
        return { name, error, ...call, gas: 600_000n };
      }),
    );
    const governor = ownerKey(hexToBytes(governanceKeys(system)[0]!.slice(2)));
    for (const act of [{ kind: 'pause' } as const, everyTokenOf(system)]) {
      const call = await authorise(system, governor, act);
      calls.push({ name: `${act.kind} by a governor`, error: 'NotAnEmergencyKey', ...call, gas: 600_000n });
    }
    const cold = await byGovernance(system, [{ to: safe, data: new Uint8Array() }]);
    calls.push({ name: 'the cold Safe', error: 'GS026', ...cold, to: system.evm.coldSafe, gas: 600_000n });
    const evidence = await mustRevert(system, calls, thiefKey);
    mustBe('what rules the vault', (await constitution(system)) === before ? 'unchanged' : 'changed', 'unchanged');
    const left = await holdings(system, thief);
    return { left, haltedAfterMs: null, evidence, notes: [`${calls.length} calls refused`] };
  },
};

/** All that the vault holds: nothing else bounds what governance may do when nobody says no. */
const everything: Amounts = Object.fromEntries(
  evmAssets.map((asset) => {
    const later = asset === 'ETH' ? units('ETH', '2') : 0n;
    return [asset, units(asset, victimHas[asset]) + units(asset, accompliceBrings[asset]) + later];
  }),
);

export const nobodyVetoes: Attack = {
  name: 'a module, and nobody vetoes: what a time-locked change allows',
  bound: everything,
  haltWithinMs: 20_000,
  run: async (stage) => {
    const { system } = stage;
    const { safe, timelock } = system.evm;
    const mark = stage.mark();
    const enabling = selectorOf('enableModule(address)') + addressWord(thiefAccount);
    const change = byModule(system, 'a module', safe, enabling);
    await scheduleAll(system, [change], delayS);
    await pass(system, delayS + 1);
    const startedAtMs = performance.now();
    const done = await sendCalls(system, [{ to: timelock, data: executeCall(change) }], devnetKeys.faucet);
    mustBe('the change, matured', done[0]!, 'executed');
    const pocket = await stage.thief('ETH');
    const takings = await Promise.all(
      evmAssets.map(async (asset) => {
        const amount = await holds(system, asset, safe);
        const to = asset === 'ETH' ? pocket : tokenOf(system, asset);
        const taking = byModule(
          system,
          asset,
          to,
          asset === 'ETH' ? '' : transferCall(pocket, amount),
          asset === 'ETH' ? amount : 0n,
        );
        return { to: safe, data: `0x${Buffer.from(taking.data).toString('hex')}` };
      }),
    );
    const taken = await sendCalls(system, takings, thiefKey);
    mustBe('what the module takes', [...new Set(taken)].join(', '), 'executed');
    const haltedAfterMs = await stage.haltedAfterMs(startedAtMs, 20_000);
    const left = await holdings(system, pocket);
    const notes = [`the whole vault, at once after the ${delayS} s in which one of three keys could have vetoed`];
    return { left, haltedAfterMs, evidence: stage.evidenceSince(mark), notes };
  },
};
