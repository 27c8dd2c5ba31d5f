import type { Attack } from './attack.ts';
import { authorise, everyTokenOf, relay } from './attack-tools-emergency.ts';
import { mustRevert, readWord, type RefusedCall, selectorOf } from './attack-tools-evm-calls.ts';
import { byModule, notExecuted, operation, pass, scheduleAll } from './attack-tools-governance.ts';
import { batchCall, bySafe, constitution, evmAssets, holds, holdings, payLeg } from './attack-tools-quorum.ts';
import { addressWord, thiefAccount, thiefKey, word } from './attack-tools-safe-bytes.ts';
import { mustBe, stealSigner, type StolenSigner } from './attack-tools-signers.ts';
import type { DrillStage } from './drill-stage.ts';

/** Of the devnet. */
const delayS = 5;

/** What the key does not do, whoever sends it: all but pausing, vetoing, and evacuating to the one address. */
async function elsewhere({ system }: DrillStage, { emergency }: StolenSigner, thief: string): Promise<RefusedCall[]> {
  const { safe, guard, desk, timelock, registry } = system.evm;
  const thiefWord = addressWord(thiefAccount);
  const call = (name: string, error: string, to: string, signature: string, ...words: string[]): RefusedCall => ({
    name,
    error,
    to,
    data: `0x${selectorOf(signature)}${words.join('')}`,
  });
  const moved = await authorise(system, emergency, { kind: 'pause' });
  const asVeto = (await authorise(system, emergency, { kind: 'veto', operations: [`0x${word(1)}`] })).data;
  const payment = byModule(system, 'a payment', thief, '', 10n ** 18n);
  // As an owner of the Safe.
  const alone = { owners: [emergency], shares: [], close: () => undefined };
  const paid = await batchCall(system, [payLeg(system, 'ETH', thief, 1n)]);
  const asOwner = await bySafe(system, alone, paid);
  return [
    call('an unpausing', 'NotTheGovernor', guard, 'unpause(uint64)', word(1)),
    call('a pause of its own', 'NotTheDesk', guard, 'pause()'),
    call('a limit', 'NotTheGovernor', guard, 'setLimit((address,uint128,uint128))', word(0), word(1n << 127n), word(0)),
    call('another key', 'NotTheTimelock', desk, 'addKey(address)', thiefWord),
    call('an item of an evacuation', 'NotTheDesk', desk, 'evacuateOne(address)', word(0)),
    call('a cancellation', 'AccessControlUnauthorizedAccount', timelock, 'cancel(bytes32)', word(1)),
    call('another vault', 'OwnableUnauthorizedAccount', registry, 'setVault(address)', thiefWord),
    call('a module', 'GS031', safe, 'enableModule(address)', thiefWord),
    { name: 'a payment as a module', error: 'GS104', to: safe, data: `0x${Buffer.from(payment.data).toString('hex')}` },
    { name: 'a payment as an owner', error: 'GS020', ...asOwner },
    { name: 'a veto of nothing', error: 'NothingToVeto', to: desk, data: asVeto },
    { name: 'a pause with a changed end', error: 'NotAnEmergencyKey', to: desk, data: withLaterEnd(moved.data) },
  ];
}

/** The same authorisation of a pause, good for a second more: selector, nonce, deadline, signature. */
function withLaterEnd(data: string): string {
  const at = 2 + 8 + 64;
  return data.slice(0, at) + word(BigInt(`0x${data.slice(at, at + 64)}`) + 1n) + data.slice(at + 64);
}

export const emergencyAlone: Attack = {
  name: 'the emergency key: it pauses, vetoes, and empties the vault to the cold address, and nothing else',
  run: async (stage) => {
    const { system } = stage;
    const { safe, coldSafe, guard } = system.evm;
    const stolen = await stealSigner(stage);
    const { emergency } = stolen;
    const thief = await stage.thief('ETH');
    const before = await constitution(system);
    const mark = stage.mark();
    const evidence = await mustRevert(system, await elsewhere(stage, stolen, thief), thiefKey);

    const wanted = operation('a shorter horizon', guard, 'setHorizon(uint64)', word(3_600));
    const operations = await scheduleAll(system, [wanted], delayS);
    const said = async (act: Parameters<typeof authorise>[2]): Promise<string> =>
      relay(system, await authorise(system, emergency, act));
    mustBe('a veto', await said({ kind: 'veto', operations }), 'executed');
    await pass(system, delayS + 1);
    evidence.push(...(await mustRevert(system, notExecuted(system, [wanted], 'vetoed'), thiefKey)));

    const pause = await authorise(system, emergency, { kind: 'pause' });
    mustBe('a pause', await relay(system, pause), 'executed');
    evidence.push(...(await mustRevert(system, [{ name: 'it again', error: 'NonceSpent', ...pause }], thiefKey)));
    mustBe('pauses', String(await readWord(system, guard, selectorOf('pauses()'))), '1');

    const held = await Promise.all(evmAssets.map((asset) => holds(system, asset, safe)));
    const cold = await Promise.all(evmAssets.map((asset) => holds(system, asset, coldSafe)));
    mustBe('an evacuation', await said(everyTokenOf(system)), 'executed');
    for (const [at, asset] of evmAssets.entries()) {
      const arrived = (await holds(system, asset, coldSafe)) - cold[at]!;
      mustBe(`${asset} at the cold Safe`, String(arrived), String(held[at]));
    }
    mustBe('what rules the vault', (await constitution(system)) === before ? 'unchanged' : 'changed', 'unchanged');
    stolen.close();
    const left = await holdings(system, thief);
    const notes = ['the vault is paused and empty: the exchange stands still, and the cold Safe has everything'];
    return { left, haltedAfterMs: null, evidence: [...stage.evidenceSince(mark), ...evidence], notes };
  },
};
