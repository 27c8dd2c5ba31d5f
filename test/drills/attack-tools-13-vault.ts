import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import type { Attack } from './attack.ts';
import {
  answerTo,
  type EvmCall,
  mustRevert,
  readWord,
  type RefusedCall,
  selectorOf,
} from './attack-tools-evm-calls.ts';
import {
  type AnySafeCall,
  availableOf,
  batchCall,
  bySafe,
  constitution,
  evmAssets,
  holds,
  holdings,
  payLeg,
  signatures,
  stealQuorum,
  type StolenQuorum,
} from './attack-tools-quorum.ts';
import {
  addressWord,
  deployDrain,
  everyToken,
  leg,
  thiefAccount,
  thiefKey,
  transferCall,
  word,
} from './attack-tools-safe-bytes.ts';
import { chainTimeS } from './attack-tools-emergency.ts';
import { mustBe } from './attack-tools-signers.ts';
import type { DrillStage } from './drill-stage.ts';

interface Scene {
  readonly stage: DrillStage;
  readonly quorum: StolenQuorum;
  /** The thief's account: it sends, and it is to receive. */
  readonly thief: string;
  /** A transaction of the Safe with all the signatures that it wants, and the error that it must meet. */
  signed(name: string, error: string, call: AnySafeCall): Promise<RefusedCall>;
}

/** Calls that the chain refuses, whoever signed them. Nothing leaves, and nothing that rules the vault changes. */
function refusedOnChain(name: string, callsOf: (scene: Scene) => Promise<readonly RefusedCall[]>): Attack {
  return {
    name,
    run: async (stage) => {
      const { system } = stage;
      const quorum = await stealQuorum(stage);
      const thief = await stage.thief('ETH');
      const before = await constitution(system);
      const calls = await callsOf({
        stage,
        quorum,
        thief,
        signed: async (what, error, call) => ({ name: what, error, ...(await bySafe(system, quorum, call)) }),
      });
      const evidence = await mustRevert(system, calls, thiefKey);
      mustBe('what rules the vault', (await constitution(system)) === before ? 'unchanged' : 'changed', 'unchanged');
      // The keys are real: the smallest payment of the usual form would go through. It is asked and not sent.
      const small = await batchCall(system, [payLeg(system, 'ETH', thief, 1n)]);
      mustBe('a payment', await answerTo(system, await bySafe(system, quorum, small), thiefAccount), 'executed');
      quorum.close();
      const left = await holdings(system, thief);
      return { left, haltedAfterMs: null, evidence, notes: [`${calls.length} calls refused`] };
    },
  };
}

export const overTheCap = refusedOnChain('every owner key: payments above the limits on the chain', async (scene) => {
  const { stage, thief, signed } = scene;
  const { system } = stage;
  const batch = (legs: readonly string[], how = {}) => batchCall(system, legs, how);
  const calls: RefusedCall[] = [];
  for (const asset of evmAssets) {
    const [cap, hot] = await Promise.all([availableOf(system, asset), holds(system, asset, system.evm.safe)]);
    // Else it were the balance that stops the thief.
    if (hot <= cap + cap / 2n)
      throw new Error(`the Safe holds ${hot} of ${asset}, too little over the limit of ${cap}`);
    const pay = (amount: bigint): string => payLeg(system, asset, thief, amount);
    const other = payLeg(system, asset === 'ETH' ? 'USDT' : 'ETH', thief, 1n);
    const half = cap / 2n;
    // The bucket may leak a little until the block comes.
    const more = cap / 100n;
    calls.push(await signed(`everything of ${asset}`, 'LimitExceeded', await batch([pay(hot)])));
    calls.push(await signed(`a little too much of ${asset}`, 'LimitExceeded', await batch([pay(cap + more)])));
    calls.push(await signed(`${asset} in two legs`, 'LimitExceeded', await batch([pay(half), pay(half + 1n + more)])));
    const apart = [pay(half), other, pay(half + 1n + more)];
    calls.push(await signed(`${asset} in legs apart`, 'LimitExceeded', await batch(apart)));
    calls.push(await signed(`2^128 and a little of ${asset}`, 'AmountRefused', await batch([pay((1n << 128n) + 1n)])));
  }
  const small = [payLeg(system, 'ETH', thief, 1n)];
  const { usdc, registry, guard } = system.evm;
  const approval = leg(usdc, { data: `095ea7b3${addressWord(thief)}${word(everyToken)}` });
  calls.push(await signed('a call', 'NotABatch', { to: thief, value: 1n }));
  calls.push(await signed('a transfer, called', 'NotABatch', { to: usdc, data: `0x${transferCall(thief, 1n)}` }));
  calls.push(await signed('no deadline', 'DeadlineMissing', await batch(small, { deadline: false })));
  calls.push(await signed('a deadline in a month', 'DeadlineTooFar', await batch(small, { endsInS: 30n * 86_400n })));
  calls.push(await signed('a deadline that has passed', 'DeadlinePassed', await batch(small, { endsInS: -1n })));
  calls.push(await signed('an allowance', 'LegRefused', await batch([approval])));
  const unknown = leg(registry, { data: transferCall(thief, 1n) });
  calls.push(await signed('a token without a limit', 'TokenNotRegistered', await batch([unknown])));
  const limit = `${word(0)}${word((1n << 128n) - 1n)}${word(0)}`;
  const own = (what: string, error: string, data: string): RefusedCall => ({
    name: what,
    error,
    to: guard,
    data: `0x${data}`,
  });
  return [
    ...calls,
    own('a limit of the thief', 'NotTheGovernor', selectorOf('setLimit((address,uint128,uint128))') + limit),
    own('a horizon of the thief', 'NotTheGovernor', selectorOf('setHorizon(uint64)') + word(1)),
    own('an unpausing of the thief', 'NotTheGovernor', selectorOf('unpause(uint64)') + word(0)),
  ];
});

export const vaultTakenOver = refusedOnChain(
  'every owner key: guard, modules, handler, owners, threshold, destination; called, in a batch, delegated',
  async ({ stage, signed, thief }) => {
    const { system } = stage;
    const { safe, registry, desk, timelock, guard, handler } = system.evm;
    const [owner] = await safeOwners(stage);
    const drain = await deployDrain(stage, thief);
    const head = word(1);
    const thiefWord = addressWord(thiefAccount);
    const changes: readonly (readonly [string, string, string])[] = [
      ['no guard', safe, selectorOf('setGuard(address)') + word(0)],
      ['a guard of the thief', safe, selectorOf('setGuard(address)') + addressWord(drain)],
      ['a guard of modules', safe, selectorOf('setModuleGuard(address)') + addressWord(drain)],
      ['a module', safe, selectorOf('enableModule(address)') + thiefWord],
      ['no desk', safe, selectorOf('disableModule(address,address)') + head + addressWord(desk)],
      ['no time lock', safe, selectorOf('disableModule(address,address)') + addressWord(desk) + addressWord(timelock)],
      ['a handler', safe, selectorOf('setFallbackHandler(address)') + addressWord(drain)],
      [
        'an owner for another',
        safe,
        selectorOf('swapOwner(address,address,address)') + head + addressWord(owner!) + thiefWord,
      ],
      ['an owner more', safe, selectorOf('addOwnerWithThreshold(address,uint256)') + thiefWord + word(1)],
      [
        'an owner less',
        safe,
        selectorOf('removeOwner(address,address,uint256)') + head + addressWord(owner!) + word(1),
      ],
      ['a threshold of one', safe, selectorOf('changeThreshold(uint256)') + word(1)],
      ['deposits to the thief', registry, selectorOf('setVault(address)') + thiefWord],
      ['the registry to the thief', registry, selectorOf('transferOwnership(address)') + thiefWord],
      ['a limit', guard, selectorOf('setLimit((address,uint128,uint128))') + word(0) + word(10n ** 30n) + word(0)],
      ['an emergency key', desk, selectorOf('addKey(address)') + thiefWord],
      ['an operation', timelock, selectorOf('updateDelay(uint256)') + word(1)],
    ];
    const calls: RefusedCall[] = [];
    for (const [what, to, data] of changes) {
      // Two words are as long as a transfer: only the selector tells it from one.
      calls.push(await signed(`${what}, called`, 'NotABatch', { to, data: `0x${data}` }));
      calls.push(await signed(`${what}, in a batch`, 'LegRefused', await batchCall(system, [leg(to, { data })])));
      calls.push(await signed(`${what}, delegated`, 'NotABatch', { to, data: `0x${data}`, operation: 1 }));
    }
    calls.push(await signed('a delegatecall to the thief', 'NotABatch', { to: drain, operation: 1 }));
    calls.push(await signed('a leg delegated', 'LegRefused', await batchCall(system, [leg(drain, { operation: 1 })])));
    const self = leg(`0x${'00'.repeat(20)}`, { data: `${selectorOf('enableModule(address)')}${thiefWord}` });
    calls.push(await signed('the zero address', 'LegRefused', await batchCall(system, [self])));
    calls.push(
      await signed('ether to the desk', 'RecipientRefused', await batchCall(system, [leg(desk, { value: 1n })])),
    );
    const direct = (name: string, error: string, to: string, data: string): RefusedCall => ({
      name,
      error,
      to,
      data: `0x${data}`,
    });
    const operation = `${thiefWord}${word(0)}${word(192)}${word(0)}${word(0)}${word(600)}${word(0)}`;
    const schedule = selectorOf('schedule(address,uint256,bytes,bytes32,bytes32,uint256)') + operation;
    return [
      ...calls,
      direct(
        'the registry by the thief',
        'OwnableUnauthorizedAccount',
        registry,
        selectorOf('setVault(address)') + thiefWord,
      ),
      direct('a schedule by the thief', 'AccessControlUnauthorizedAccount', timelock, schedule),
      direct('a key by the thief', 'NotTheTimelock', desk, selectorOf('addKey(address)') + thiefWord),
      direct(
        'the handler as the Safe',
        'GS031',
        safe,
        selectorOf('setFallbackHandler(address)') + addressWord(handler),
      ),
    ];
  },
);

export const gasRefunds = refusedOnChain('every owner key: gas sold to the vault at any price', async (scene) => {
  const { stage, thief, signed } = scene;
  const { usdc } = stage.system.evm;
  const batch = await batchCall(stage.system, [payLeg(stage.system, 'ETH', thief, 1n)]);
  const price = 10n ** 18n;
  const refund = (name: string, fields: Partial<AnySafeCall>) => signed(name, 'RefundRefused', { ...batch, ...fields });
  return Promise.all([
    refund('ether to whoever sends it', { gasPrice: price, baseGas: 1n }),
    refund('ether to the thief', { gasPrice: price, baseGas: 1n, refundReceiver: thief }),
    refund('tokens to the thief', { gasPrice: 10n ** 9n, baseGas: 10n, gasToken: usdc, refundReceiver: thief }),
    refund('a receiver alone', { refundReceiver: thief }),
    refund('a token alone', { gasToken: usdc }),
    refund('a base alone', { baseGas: 1n }),
    refund('a failure that counts as executed', { safeTxGas: 1n }),
  ]);
});

async function safeOwners({ system }: DrillStage): Promise<string[]> {
  const data = `0x${selectorOf('getOwners()')}`;
  const answer = await rpcCall<string>(system.chains.anvil.url, 'eth_call', [{ to: system.evm.safe, data }, 'latest']);
  // Offset, length, then a word each.
  return (answer.slice(2).match(/.{64}/g) ?? []).slice(2).map((one) => `0x${one.slice(24)}`);
}

const keccakText = (text: string): Uint8Array => keccak_256(utf8ToBytes(text));
const struct = (type: string, words: string): Uint8Array =>
  keccak_256(concatBytes(keccakText(type), hexToBytes(words)));
const typed = (domain: Uint8Array, content: Uint8Array): Uint8Array =>
  keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), domain, content));

/** What a token would take as the Safe's word: its hash, and the call that hands a signature in. */
interface Authorisation {
  readonly name: string;
  readonly hash: Uint8Array;
  call(signature: Uint8Array): EvmCall;
}

async function authorisations(stage: DrillStage, thief: string): Promise<Authorisation[]> {
  const { system } = stage;
  const { usdc, safe } = system.evm;
  const url = system.chains.anvil.url;
  const separator = `0x${selectorOf('DOMAIN_SEPARATOR()')}`;
  const domain = hexToBytes(
    (await rpcCall<string>(url, 'eth_call', [{ to: usdc, data: separator }, 'latest'])).slice(2),
  );
  const end = word((await chainTimeS(system)) + 3_600n);
  const amount = word(1_000_000_000n);
  const nonce = word(await readWord(system, usdc, selectorOf('nonces(address)') + addressWord(safe)));
  const transfer = 'address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce';
  const made = (name: string, type: string, words: string, selector: string): Authorisation => ({
    name,
    hash: typed(domain, struct(type, words)),
    call: (signature) => ({ to: usdc, data: `0x${selectorOf(selector)}${withBytes(words, signature)}` }),
  });
  const drawn = (to: string) => addressWord(safe) + addressWord(to) + amount + word(0) + end + word(7);
  const byAnyone = 'address,address,uint256,uint256,uint256,bytes32,bytes';
  const permitted = addressWord(safe) + addressWord(thiefAccount) + amount;
  return [
    made(
      'EIP-3009 transfer',
      `TransferWithAuthorization(${transfer})`,
      drawn(thief),
      `transferWithAuthorization(${byAnyone})`,
    ),
    made(
      'EIP-3009 receipt',
      `ReceiveWithAuthorization(${transfer})`,
      drawn(thiefAccount),
      `receiveWithAuthorization(${byAnyone})`,
    ),
    {
      name: 'EIP-2612 permit',
      hash: typed(
        domain,
        struct(
          'Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)',
          permitted + nonce + end,
        ),
      ),
      call: (signature) => ({
        to: usdc,
        data: `0x${selectorOf('permit(address,address,uint256,uint256,bytes)')}${withBytes(permitted + end, signature)}`,
      }),
    },
  ];
}

/** ABI: the heads, the offset of the bytes, their length, the bytes in whole words. */
function withBytes(words: string, bytes: Uint8Array): string {
  const hex = bytesToHex(bytes);
  return words + word(words.length / 2 + 32) + word(bytes.length) + hex.padEnd(Math.ceil(hex.length / 64) * 64, '0');
}

/** Owners sign what tokens accept; the handler must not call it the Safe's. */
export const signedForTokens = refusedOnChain(
  'every owner key: a transfer by signature (EIP-3009) and a permit, as a message of the Safe',
  async ({ stage, quorum, thief }) => {
    const { system } = stage;
    const { safe, handler, chainId } = system.evm;
    const sign = async (hash: Uint8Array): Promise<Uint8Array> => hexToBytes((await signatures(quorum, hash)).slice(2));
    const statementOf = async (statement: string, atS: bigint): Promise<Uint8Array> =>
      hexToBytes(
        word(await readWord(system, handler, selectorOf('statementHash(bytes32,uint256)') + statement + word(atS))),
      );
    const safeDomain = struct(
      'EIP712Domain(uint256 chainId,address verifyingContract)',
      word(chainId) + addressWord(safe),
    );
    const atS = await chainTimeS(system);
    const calls: RefusedCall[] = [];
    for (const { name, hash, call } of await authorisations(stage, thief)) {
      const refused = (how: string, signature: Uint8Array): RefusedCall => ({
        name: `${name} ${how}`,
        error: 'invalid signature',
        ...call(signature),
      });
      const preimage = (statement: string): Uint8Array => hexToBytes(statement + word(atS));
      const text = bytesToHex(hash);
      const asMessage = typed(safeDomain, struct('SafeMessage(bytes message)', bytesToHex(keccak_256(hash))));
      calls.push(
        refused('signed as it is', await sign(hash)),
        refused('as a message of the Safe', await sign(asMessage)),
        refused('as a statement of reserves', concatBytes(preimage(text), await sign(await statementOf(text, atS)))),
        refused('behind a statement of reserves', concatBytes(preimage(text), await sign(hash))),
      );
    }
    // The handler answers, and the signatures are good: for a statement of reserves.
    const statement = word(1);
    const honest = await statementOf(statement, atS);
    const signature = concatBytes(hexToBytes(statement + word(atS)), await sign(honest));
    const ask = selectorOf('isValidSignature(bytes32,bytes)') + withBytes(bytesToHex(honest), signature);
    const magic = (await readWord(system, safe, ask)) >> 224n;
    mustBe('a statement of reserves', magic.toString(16), '1626ba7e');
    return calls;
  },
);
