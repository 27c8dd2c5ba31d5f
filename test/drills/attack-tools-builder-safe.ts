import { encodeExecTransaction, packSignatures } from '@holdfast/core/chains/evm/build.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SafeTransaction } from '@holdfast/core/signing/messages.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import type { Attack, Outcome } from './attack.ts';
import type { DrillStage } from './drill-stage.ts';
import { askAll, evidenceOf, lootIn, mustBePaid, ownPayment } from './attack-tools-refusals.ts';
import { deadlineS } from './attack-tools-chains.ts';
import {
  addressWord,
  cashIn,
  deadlineLeg,
  deployDrain,
  everyToken,
  handIn,
  honestLeg,
  leg,
  multiSendOf,
  type SafeAttempt,
  safeNonce,
  thiefAccount,
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
  /** The second that both payments were agreed to until, and an hour ahead at the most. */
  readonly notAfterS: bigint;
  /** What the guard wants first. */
  readonly deadline: string;
  /** A Safe transaction that goes through the pinned MultiSend, its deadline first. */
  batch(legs: readonly string[], broken?: Parameters<typeof multiSendOf>[1]): Promise<SafeTransaction>;
  /** The same of these legs alone. */
  bare(legs: readonly string[]): Promise<SafeTransaction>;
  call(to: string, data: string, value?: string): SafeTransaction;
}

async function sceneOf(stage: DrillStage): Promise<Scene> {
  const eth = ownPayment(stage, stage.victim, 'ETH', '0.5');
  const usdt = ownPayment(stage, stage.victim, 'USDT', '100');
  const nonce = (await safeNonce(stage)).toString();
  const notAfterS = deadlineS([eth, usdt]);
  const deadline = deadlineLeg(notAfterS, stage.system.evm.guard);
  return {
    stage,
    eth,
    usdt,
    both: [eth, usdt],
    legs: [honestLeg(eth), honestLeg(usdt)],
    thief: await stage.thief('ETH'),
    nonce,
    notAfterS,
    deadline,
    batch: async (legs, broken) => viaMultiSend(stage, multiSendOf([deadline, ...legs], broken)),
    bare: async (legs) => viaMultiSend(stage, multiSendOf(legs)),
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
    tx: await batch([legs[0]]),
    intents: both,
  });
  return attempts;
});

/** A transaction that stays good for as long as a thief likes to keep it. */
export const deadlines = attackOn(
  'no deadline, a late one, or one that another contract answers for',
  async (scene) => {
    const { stage, both, legs, eth, notAfterS, deadline, bare, batch, call } = scene;
    const { guard, registry, usdc } = stage.system.evm;
    const nowS = BigInt(Math.floor(Date.now() / 1_000));
    const withDeadline = (first: string): Promise<SafeTransaction> => bare([first, ...legs]);
    const malformed = [
      ['a payment alone, called', call(eth.intent.destination, '', eth.intent.amount)],
      ['no deadline', await bare(legs)],
      ['the deadline last', await bare([...legs, deadline])],
      ['the deadline in the middle', await bare([legs[0], deadline, legs[1]])],
      ['the deadline twice', await batch([deadline, ...legs])],
      ['the deadline alone', await batch([])],
      ['the deadline of another contract', await withDeadline(deadlineLeg(notAfterS, registry))],
      ['the deadline of a token', await withDeadline(deadlineLeg(notAfterS, usdc))],
      ['the deadline with ether', await withDeadline(leg(guard, { value: 1n, data: `f11e333d${word(notAfterS)}` }))],
      ['the deadline delegated', await withDeadline(leg(guard, { operation: 1, data: `f11e333d${word(notAfterS)}` }))],
      ['a deadline with a byte behind it', await withDeadline(leg(guard, { data: `f11e333d${word(notAfterS)}00` }))],
      ['a longer deadline', await withDeadline(leg(guard, { data: `f11e333d${word(notAfterS)}${word(0)}` }))],
      ['a pause of the guard for the deadline', await withDeadline(leg(guard, { data: '8456cb59' }))],
      ['a horizon for the deadline', await withDeadline(leg(guard, { data: `a359f443${word(notAfterS)}` }))],
    ] as const;
    const late = [
      ['a second after what customers agreed to', notAfterS + 1n],
      ['a day and an hour ahead', nowS + 90_000n],
      ['never', everyToken],
      ['2^64 seconds', 1n << 64n],
      ['passed', nowS - 60n],
      ['the beginning of time', 0n],
    ] as const;
    return [
      ...malformed.map(([name, tx]) => ({ name, code: 'transaction-malformed', tx, intents: both }) as const),
      ...(await Promise.all(
        late.map(async ([name, at]) => {
          const tx = await withDeadline(deadlineLeg(at, guard));
          return { name: `a deadline: ${name}`, code: 'deadline-refused', tx, intents: both } as const;
        }),
      )),
    ];
  },
);

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
    { name: 'a call of MultiSend', code: 'transaction-malformed', tx: call(multiSend, sameBatch) },
    { name: 'ether to MultiSend', code: 'transaction-malformed', tx: { ...honest, value: '1' } },
    { name: 'an operation that there is not', code: 'invalid-request', tx: { ...honest, operation: 2 as 1 } },
  ].map((attempt) => ({ ...attempt, intents: both }) as SafeAttempt);
});

export const safeTakenOver = attackOn('a leg that hands the Safe itself over', async (scene) => {
  const { stage, both, legs, batch, call } = scene;
  const { safe, registry, multiSend, guard, desk, timelock } = stage.system.evm;
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
    ['ether to the guard', 'contract-not-allowed', leg(guard, { value: 1n })],
    ['a transfer of the guard', 'contract-not-allowed', leg(guard, { data: transferCall(thiefAccount, 1n) })],
    ['ether to the desk', 'output-unaccounted', leg(desk, { value: 1n })],
    ['ether to the time lock', 'output-unaccounted', leg(timelock, { value: 1n })],
  ] as const;
  const attempts: SafeAttempt[] = direct.map(([name, data]) => ({
    name: `${name}, called`,
    code: 'transaction-malformed',
    tx: call(safe, data),
    intents: both,
  }));
  for (const [name, code, more] of hidden)
    attempts.push({ name: `${name}, a leg`, code, tx: await batch([...legs, more]), intents: both });
  // Without intents, as the calls that a policy may list.
  attempts.push({
    name: 'enableModule, unasked',
    code: 'transaction-malformed',
    tx: call(safe, enableModule),
    intents: [],
  });
  attempts.push({
    name: 'another vault',
    code: 'transaction-malformed',
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
  const { stage, both, legs, batch, thief, usdt, call, eth, deadline } = scene;
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
    ['dirty padding', await batch(legs, { padding: 'ff'.repeat(paddingOf([deadline, ...legs])) })],
    ['a leg inside a leg', await batch([overlong, legs[1]])],
    ['dirty bytes before the recipient', await batch([legs[0], leg(token, { data: dirty })])],
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

const paddingOf = (legs: readonly string[]): number => (32 - ((legs.join('').length / 2) % 32)) % 32;

/** Signers sign what is honest; the builder then puts their signatures on other bytes, or keeps a nonce for later. */
export const signaturesMoved: Attack = {
  name: 'signatures of the honest payment on another, and for later nonces',
  run: async (stage) => {
    const { eth, thief, batch, legs, nonce, usdt } = await sceneOf(stage);
    const mark = stage.mark();
    const honest = await batch([legs[0]]);
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
      { ...honest, value: eth.intent.amount },
      await batch([leg(thief, { value: BigInt(eth.intent.amount) })]),
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
