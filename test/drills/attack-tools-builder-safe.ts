import { encodeExecTransaction, packSignatures } from '@holdfast/core/chains/evm/build.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall, waitForReceipt } from '@holdfast/devnet/evm/json-rpc.ts';
import { sendTransaction } from '@holdfast/devnet/evm/send-transaction.ts';
import type { Attack, Outcome } from './attack.ts';
import type { DrillStage } from './drill-stage.ts';
import { askAll, evidenceOf, lootIn, mustBePaid, ownPayment } from './attack-tools-refusals.ts';
import {
  addressWord,
  cashIn,
  everyToken,
  handIn,
  honestLeg,
  leg,
  multiSendOf,
  type SafeAttempt,
  safeNonce,
  thiefAccount,
  thiefKey,
  transferCall,
  trySafeBytes,
  viaMultiSend,
  word,
} from './attack-tools-safe-bytes.ts';

/** What every attack starts from: two payments that the victim asked for, and where the thief wants the money. */
interface Scene {
  readonly stage: DrillStage;
  readonly eth: AuthorizedIntent;
  readonly usdt: AuthorizedIntent;
  readonly both: readonly AuthorizedIntent[];
  /** Honest legs of both. */
  readonly legs: readonly [string, string];
  readonly thief: string;
  readonly nonce: string;
  /** A Safe transaction that goes through the pinned MultiSend. */
  batch(legs: readonly string[], broken?: Parameters<typeof multiSendOf>[1]): Promise<SafeTransaction>;
  call(to: string, data: string, value?: string): SafeTransaction;
}

async function sceneOf(stage: DrillStage): Promise<Scene> {
  const eth = ownPayment(stage, stage.victim, 'ETH', '0.5');
  const usdt = ownPayment(stage, stage.victim, 'USDT', '100');
  const nonce = (await safeNonce(stage)).toString();
  return {
    stage,
    eth,
    usdt,
    both: [eth, usdt],
    legs: [honestLeg(eth), honestLeg(usdt)],
    thief: await stage.thief('ETH'),
    nonce,
    batch: async (legs, broken) => viaMultiSend(stage, multiSendOf(legs, broken)),
    call: (to, data, value = '0') => ({ to, value, data: `0x${data}`, operation: 0, nonce }),
  };
}

/** The thief's bytes, all refused; then the honest ones for the same intents, paid. */
function attackOn(name: string, attempts: (scene: Scene) => Promise<readonly SafeAttempt[]>): Attack {
  return {
    name,
    run: async (stage): Promise<Outcome> => {
      const scene = await sceneOf(stage);
      const mark = stage.mark();
      await trySafeBytes(stage, await attempts(scene));
      await cashIn(stage, scene.thief);
      const pockets = { ETH: [scene.thief], USDT: [scene.thief], USDC: [scene.thief] };
      const left = await lootIn(stage, pockets);
      const evidence = evidenceOf(stage, mark);
      await mustBePaid(stage, [
        { asset: 'ETH', authorized: scene.eth },
        { asset: 'USDT', authorized: scene.usdt },
      ]);
      return { left, haltedAfterMs: null, evidence };
    },
  };
}

export const extraLegs = attackOn('an extra leg, another recipient, another amount', async (scene) => {
  const { stage, both, legs, thief, batch, eth, usdt } = scene;
  const { usdt: token, usdc } = stage.system.evm;
  const amount = BigInt(eth.intent.amount);
  const honest = eth.intent.destination;
  // Same first and last four digits: what a glance compares.
  const lookAlike = `${honest.slice(0, 6)}${thief.slice(6, 38)}${honest.slice(38)}`.toLowerCase();
  const forwarder = stage.accomplice.addresses.get(evmNetworkId)!;
  const tokenAmount = BigInt(usdt.intent.amount);
  const extra = [
    ['ether to the thief', leg(thief, { value: 10n ** 18n })],
    ['tokens to the thief', leg(token, { data: transferCall(thief, 1_000_000n) })],
    ['a token that nobody asked for', leg(usdc, { data: transferCall(thief, 1n) })],
    ['the same payment twice', legs[0]],
    ['a deposit of the accomplice', leg(forwarder, { value: 10n ** 18n })],
  ] as const;
  const changed = [
    ['the thief in the place of the recipient', [leg(thief, { value: amount }), legs[1]]],
    ['a look-alike in the place of the recipient', [leg(lookAlike, { value: amount }), legs[1]]],
    ['one wei more', [leg(honest, { value: amount + 1n }), legs[1]]],
    ['one wei less, and that to the thief', [leg(honest, { value: amount - 1n }), legs[1], leg(thief, { value: 1n })]],
    [
      'the tokens of another contract',
      [legs[0], leg(usdc, { data: transferCall(usdt.intent.destination, tokenAmount) })],
    ],
    ['the recipient of the one with the amount of the other', [leg(honest, { value: tokenAmount }), legs[1]]],
  ] as const;
  const attempts: SafeAttempt[] = [];
  for (const [name, more] of extra)
    attempts.push({ name, code: 'output-unaccounted', tx: await batch([...legs, more]), intents: both });
  for (const [name, others] of changed)
    attempts.push({ name, code: 'payment-mismatch', tx: await batch(others), intents: both });
  attempts.push({
    name: 'only one of two',
    code: 'payment-missing',
    tx: scene.call(honest, '', eth.intent.amount),
    intents: both,
  });
  return attempts;
});

export const hiddenDelegatecalls = attackOn('a hidden delegatecall to a contract of the thief', async (scene) => {
  const { stage, both, legs, thief, batch, call } = scene;
  const { multiSend } = stage.system.evm;
  const drain = await deployDrain(stage, thief);
  const honest = await batch(legs);
  const sameBatch = multiSendOf(legs).slice(2);
  return [
    { name: 'the honest batch via another MultiSend', code: 'contract-not-allowed', tx: { ...honest, to: drain } },
    { name: 'a bare delegatecall', code: 'contract-not-allowed', tx: { ...call(drain, ''), operation: 1 } },
    {
      name: 'a delegatecall as a leg',
      code: 'transaction-malformed',
      tx: await batch([...legs, leg(drain, { operation: 1 })]),
    },
    {
      name: 'a batch inside the batch',
      code: 'transaction-malformed',
      tx: await batch([...legs, leg(multiSend, { data: sameBatch })]),
    },
    { name: 'a call of MultiSend', code: 'contract-not-allowed', tx: call(multiSend, sameBatch) },
    { name: 'ether to MultiSend', code: 'transaction-malformed', tx: { ...honest, value: '1' } },
    { name: 'an operation that there is not', code: 'invalid-request', tx: { ...honest, operation: 2 as 1 } },
  ].map((attempt) => ({ ...attempt, intents: both }) as SafeAttempt);
});

export const safeTakenOver = attackOn('a leg that hands the Safe itself over', async (scene) => {
  const { stage, both, legs, batch, call } = scene;
  const { safe, registry, multiSend } = stage.system.evm;
  const owner = stage.system.first.policy.networks.find(({ network }) => network === evmNetworkId)!;
  const [first] = owner.family === 'evm' ? owner.safe_owners : [];
  const thiefWord = addressWord(thiefAccount);
  const enableModule = `610b5925${thiefWord}`;
  const addOwner = `0d582f13${thiefWord}${word(1)}`;
  const swapOwner = `e318b52b${word(1)}${addressWord(first!)}${thiefWord}`;
  const direct = [
    ['enableModule', enableModule],
    ['addOwnerWithThreshold', addOwner],
    ['swapOwner', swapOwner],
    ['setGuard', `e19a9dd9${thiefWord}`],
    ['setFallbackHandler', `f08a0323${thiefWord}`],
    ['changeThreshold', `694e80c3${word(1)}`],
  ] as const;
  const hidden = [
    // Two words, as long as a transfer: only the contract tells it from one.
    ['addOwnerWithThreshold', 'contract-not-allowed', leg(safe, { data: addOwner })],
    [
      'transfer, which the Safe does not have',
      'contract-not-allowed',
      leg(safe, { data: transferCall(thiefAccount, 1n) }),
    ],
    ['enableModule', 'transaction-malformed', leg(safe, { data: enableModule })],
    ['swapOwner', 'transaction-malformed', leg(safe, { data: swapOwner })],
    // MultiSendCallOnly takes the zero address for the Safe itself.
    ['enableModule at the zero address', 'transaction-malformed', leg(`0x${'00'.repeat(20)}`, { data: enableModule })],
    [
      'addOwnerWithThreshold at the zero address',
      'transaction-malformed',
      leg(`0x${'00'.repeat(20)}`, { data: addOwner }),
    ],
    ['ether to the Safe', 'contract-not-allowed', leg(safe, { value: 1n })],
    ['ether to MultiSend', 'contract-not-allowed', leg(multiSend, { value: 1n })],
  ] as const;
  const attempts: SafeAttempt[] = direct.map(([name, data]) => ({
    name: `${name}, called`,
    code: 'contract-not-allowed',
    tx: call(safe, data),
    intents: both,
  }));
  for (const [name, code, more] of hidden)
    attempts.push({ name: `${name}, a leg`, code, tx: await batch([...legs, more]), intents: both });
  // Without intents, as the calls that a policy may list.
  attempts.push({
    name: 'enableModule, unasked',
    code: 'contract-not-allowed',
    tx: call(safe, enableModule),
    intents: [],
  });
  attempts.push({
    name: 'another vault',
    code: 'contract-not-allowed',
    tx: call(registry, `6817031b${thiefWord}`),
    intents: [],
  });
  return attempts;
});

export const takenLater = attackOn('an allowance to take the tokens later', async (scene) => {
  const { stage, both, legs, batch, call, thief } = scene;
  const { usdt, usdc, splitter } = stage.system.evm;
  const spender = addressWord(thiefAccount);
  const calls = [
    ['approve', usdc, `095ea7b3${spender}${word(everyToken)}`],
    ['approve of USDT', usdt, `095ea7b3${spender}${word(everyToken)}`],
    ['increaseAllowance', usdc, `39509351${spender}${word(everyToken)}`],
    ['transferFrom', usdc, `23b872dd${addressWord(stage.system.evm.safe)}${addressWord(thief)}${word(1)}`],
    ['permit', usdc, `d505accf${addressWord(stage.system.evm.safe)}${spender}${word(everyToken).repeat(5)}`],
    ['transfer with bytes behind it', usdc, `${transferCall(thief, 1n)}00`],
    ['a selector alone', usdc, 'a9059cbb'],
  ] as const;
  const attempts: SafeAttempt[] = [];
  for (const [name, token, data] of calls) {
    attempts.push({
      name: `${name}, a leg`,
      code: 'transaction-malformed',
      tx: await batch([...legs, leg(token, { data })]),
      intents: both,
    });
    attempts.push({ name: `${name}, called`, code: 'transaction-malformed', tx: call(token, data), intents: [] });
  }
  const others = [
    ['ether with a token call', 'transaction-malformed', leg(usdc, { value: 1n, data: transferCall(thief, 1n) })],
    ['ether with data', 'transaction-malformed', leg(thief, { value: 1n, data: '6817031b' })],
    ['a contract that is no token', 'contract-not-allowed', leg(splitter, { data: transferCall(thief, 1n) })],
  ] as const;
  for (const [name, code, more] of others)
    attempts.push({ name, code, tx: await batch([...legs, more]), intents: both });
  return attempts;
});

export const twoReadings = attackOn('bytes that two readers read differently', async (scene) => {
  const { stage, both, legs, batch, thief, usdt, call, eth } = scene;
  const { usdt: token } = stage.system.evm;
  const hidden = leg(thief, { value: 10n ** 18n });
  const dirty = `a9059cbb${'01'.repeat(12)}${usdt.intent.destination.slice(2).toLowerCase()}${word(BigInt(usdt.intent.amount))}`;
  // The chain reads the leg's length modulo nothing: what follows would be a leg of its own.
  const overlong = legs[0].slice(0, -64) + word(hidden.length / 2) + hidden;
  const wrapped = (BigInt(eth.intent.amount) + (1n << 256n)).toString();
  const unknown = { ...(await batch(legs)), gasToken: token, gasPrice: '1', refundReceiver: thief };
  const malformed = [
    ['the legs begin elsewhere', await batch(legs, { offset: 64n, gap: word(0) })],
    ['the legs begin behind the calldata', await batch(legs, { offset: everyToken })],
    ['a leg behind the length', await batch(legs, { after: hidden })],
    ['a leg in the padding', await batch(legs, { padding: hidden })],
    ['a length that overflows', await batch(legs, { length: everyToken })],
    ['a length that cuts the last leg', await batch(legs, { length: 100n })],
    ['a word behind the padding', await batch(legs, { after: word(0) })],
    ['dirty padding', await batch(legs, { padding: 'ff'.repeat((32 - ((legs.join('').length / 2) % 32)) % 32) })],
    ['a leg inside a leg', await batch([overlong, legs[1]])],
    ['dirty bytes before the recipient', await batch([legs[0], leg(token, { data: dirty })])],
    ['a batch of one', await batch([legs[0]])],
    ['a value beyond 256 bits', call(eth.intent.destination, '', wrapped)],
  ] as const;
  const honest = await batch(legs);
  const unread = [
    ['a refund in a token', unknown],
    ['digits in capitals', { ...honest, data: `0x${honest.data.slice(2).toUpperCase()}` }],
    ['a value with a leading zero', { ...honest, value: '00' }],
  ] as const;
  return [
    ...malformed.map(([name, tx]) => ({ name, code: 'transaction-malformed', tx, intents: both }) as const),
    ...unread.map(([name, tx]) => ({ name, code: 'invalid-request', tx, intents: both }) as const),
  ];
});

/** Signers sign what is honest; the builder then puts their signatures on other bytes, or keeps a nonce for later. */
export const signaturesMoved: Attack = {
  name: 'signatures of the honest payment on another, and for later nonces',
  run: async (stage) => {
    const { eth, thief, call, nonce, usdt } = await sceneOf(stage);
    const mark = stage.mark();
    const honest = call(eth.intent.destination, '', eth.intent.amount);
    const later = { ...honest, nonce: (BigInt(nonce) + 1n).toString() };
    await trySafeBytes(stage, [
      { name: 'the next nonce', code: 'nonce-mismatch', tx: later, intents: [eth] },
      { name: 'a nonce far ahead', code: 'nonce-mismatch', tx: { ...honest, nonce: '1000' }, intents: [eth] },
    ]);
    const body = { network: evmNetworkId, safe_transaction: honest, intents: [eth] };
    const answers = await askAll(stage, async (client) => client.call('/v1/sign/evm', body));
    const signed = answers.flatMap(({ value }) => value ?? []);
    if (signed.length !== 3) throw new Error(`the honest bytes got ${signed.length} signatures, not 3`);
    const moved = [
      { ...honest, to: thief },
      { ...honest, value: (BigInt(honest.value) * 2n).toString() },
      { ...later, to: thief },
    ];
    for (const tx of moved) await handIn(stage, tx, signed);
    // Nor once more for the same intent beside the first, by the next nonce: it is bound to this one.
    await trySafeBytes(stage, [{ name: 'paid again', code: 'nonce-mismatch', tx: later, intents: [eth] }]);
    const left = await lootIn(stage, { ETH: [thief] });
    const evidence = evidenceOf(stage, mark, [await refusalOfSafe(stage, moved[0]!, signed)]);
    await mustBePaid(stage, [
      { asset: 'ETH', authorized: eth },
      { asset: 'USDT', authorized: usdt },
    ]);
    return { left, haltedAfterMs: null, evidence };
  },
};

/** The Safe's own words about moved signatures. @throws Error when it would execute them. */
async function refusalOfSafe(
  stage: DrillStage,
  tx: SafeTransaction,
  signed: readonly { readonly owner: string; readonly signature: string }[],
): Promise<string> {
  const { chains, evm } = stage.system;
  const data = encodeExecTransaction(tx, packSignatures(signed.slice(0, 2)));
  const refusal = await rpcCall(chains.anvil.url, 'eth_call', [
    { from: thiefAccount, to: evm.safe, data },
    'latest',
  ]).then(
    () => null,
    (error: unknown) => String(error),
  );
  if (refusal?.includes('GS026') !== true) throw new Error(`the Safe answers moved signatures with ${refusal}`);
  return 'chain GS026';
}

/** A contract that sends all ether of whoever delegates to it to the thief, whatever the calldata. */
async function deployDrain(stage: DrillStage, thief: string): Promise<string> {
  const { system } = stage;
  const rpcUrl = system.chains.anvil.url;
  // CALL(gas, thief, selfbalance, no data); its constructor copies the 33 bytes behind itself.
  const runtime = `600060006000600047${`73${thief.slice(2)}`}5af100`;
  const data = `0x602180600b6000396000f3${runtime}`;
  const txid = await sendTransaction({ rpcUrl, key: thiefKey, data, gasLimit: 200_000n });
  await system.mineEvm();
  const { contractAddress, status } = await waitForReceipt(rpcUrl, txid);
  if (status !== '0x1' || contractAddress === null) throw new Error('the thief’s contract was not deployed');
  return contractAddress;
}
