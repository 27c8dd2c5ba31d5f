import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { addr } from 'micro-eth-signer';
import { createContract } from 'micro-eth-signer/abi.js';
import { expect, test } from 'vitest';
import { buildSafeGovernance } from './build-request.ts';
import { governanceCalls, signatureOf } from './governance-calls.ts';
import { inspectGovernance, strangersOf } from './inspect-governance.ts';
import type { EvmSetup } from './setup.ts';

const registry = '0x52908400098527886E0F7030069857D2E4169EE7';
const timelock = '0x8617E340B3D01FA5F11F306F4090FD50E238070D';
const hotSafe = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const guard = '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB';
const setup: EvmSetup = {
  network: 'eip155:1',
  coin: 'ETH',
  cold_safe: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
  hot_safe: hotSafe,
  tokens: [{ contract: '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb', code: 'USDT', decimals: 6 }],
  contracts: [
    { kind: 'vault-registry', address: registry },
    { kind: 'timelock', address: timelock },
    { kind: 'vault-guard', address: guard },
  ],
};

const input = <N extends string, T extends string>(name: N, type: T) => ({ name, type }) as const;
const tail = [input('predecessor', 'bytes32'), input('salt', 'bytes32')] as const;
const lists = [input('targets', 'address[]'), input('values', 'uint256[]'), input('payloads', 'bytes[]')] as const;
const one = [input('target', 'address'), input('value', 'uint256'), input('data', 'bytes')] as const;
/** OpenZeppelin's TimelockController and our registry, by a library's encoder. */
const abi = createContract([
  { type: 'function', name: 'scheduleBatch', inputs: [...lists, ...tail, input('delay', 'uint256')], outputs: [] },
  { type: 'function', name: 'executeBatch', inputs: [...lists, ...tail], outputs: [] },
  { type: 'function', name: 'schedule', inputs: [...one, ...tail, input('delay', 'uint256')], outputs: [] },
  { type: 'function', name: 'execute', inputs: [...one, ...tail], outputs: [] },
  { type: 'function', name: 'cancel', inputs: [input('id', 'bytes32')], outputs: [] },
  { type: 'function', name: 'setVault', inputs: [input('next', 'address')], outputs: [] },
  { type: 'function', name: 'updateDelay', inputs: [input('newDelay', 'uint256')], outputs: [] },
  {
    type: 'function',
    name: 'setLimit',
    inputs: [
      {
        name: 'limit',
        type: 'tuple',
        components: [input('token', 'address'), input('capacity', 'uint128'), input('refillPerSecond', 'uint128')],
      },
    ],
    outputs: [],
  },
  {
    type: 'function',
    name: 'execTransactionFromModule',
    inputs: [input('to', 'address'), input('value', 'uint256'), input('data', 'bytes'), input('operation', 'uint8')],
    outputs: [],
  },
  { type: 'function', name: 'setGuard', inputs: [input('guard', 'address')], outputs: [] },
  { type: 'function', name: 'grantRole', inputs: [input('role', 'bytes32'), input('account', 'address')], outputs: [] },
] as const);

const setVault = abi.setVault.encodeInput(hotSafe);
const updateDelay = abi.updateDelay.encodeInput(86_400n);
const salt = new Uint8Array(32).fill(7);
const predecessor = new Uint8Array(32).fill(5);
const batch = { targets: [registry, timelock], values: [0n, 0n], payloads: [setVault, updateDelay], predecessor, salt };
const single = { target: registry, value: 0n, data: setVault, predecessor: new Uint8Array(32), salt };

const read = (data: Uint8Array, to = timelock) => inspectGovernance({ to, data }, setup);
const textOf = (data: Uint8Array): Record<string, string> => Object.fromEntries(read(data));

test('an operation has one name, the timelock’s own, when it is scheduled and when it is executed', () => {
  for (const [scheduled, executed] of [
    [abi.scheduleBatch.encodeInput({ ...batch, delay: 172_800n }), abi.executeBatch.encodeInput(batch)],
    [abi.schedule.encodeInput({ ...single, delay: 1n }), abi.execute.encodeInput(single)],
  ] as const) {
    // hashOperation and hashOperationBatch hash what execute takes.
    const id = `0x${bytesToHex(keccak_256(executed.subarray(4)))}`;
    expect([textOf(scheduled)['operation'], textOf(executed)['operation']]).toEqual([id, id]);
    expect(textOf(abi.cancel.encodeInput(hexToBytes(id.slice(2))))['cancels']).toBe(`operation ${id}`);
  }
});

const batchOf = (length: number) => {
  const times = <T>(value: T): T[] => Array.from({ length }, () => value);
  return { ...batch, targets: times(registry), values: times(0n), payloads: times(setVault) };
};

test('up to eight calls of a batch are read', () => {
  expect(read(abi.executeBatch.encodeInput(batchOf(8)))).toContainEqual(['batch', '8 calls, all or none']);
});

test('every call of a batch is told, with what it waits for', () => {
  const lines = read(abi.scheduleBatch.encodeInput({ ...batch, delay: 172_800n }));
  expect(lines).toContainEqual([
    'schedules',
    'to be executed no sooner than 172800 seconds (2 days 0 hours) after it is scheduled',
  ]);
  expect(lines).toContainEqual(['batch', '2 calls, all or none']);
  expect(lines).toContainEqual(['after', `operation 0x${'05'.repeat(32)}`]);
  expect(lines.filter(([label]) => label === 'calls').map(([, text]) => text)).toEqual([
    `${registry} (the vault-registry)`,
    `${timelock} (the timelock)`,
  ]);
  expect(lines.filter(([label]) => label === 'effect').map(([, text]) => text)).toEqual([
    `every deposit address sweeps to ${hotSafe} (the hot Safe) from then on`,
    'the timelock waits 86400 seconds (1 day 0 hours) from then on',
  ]);
});

const through = (target: string, data: Uint8Array): Uint8Array => abi.execute.encodeInput({ ...single, target, data });
const setGuard = abi.setGuard.encodeInput(guard);
const module = { to: hotSafe, value: 0n, data: setGuard, operation: 0n };

test('a limit of the guard, whose argument is a struct, names its token', () => {
  const limit = { token: '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb', capacity: 5_000_000n, refillPerSecond: 12n };
  const text = textOf(through(guard, abi.setLimit.encodeInput(limit)));
  expect(text['function']).toBe('setLimit((address,uint128,uint128))');
  expect(text['effect']).toContain(
    `of ${limit.token} (the token USDT), at most 5 USDT (5000000 base units) leave the hot Safe at once, and 0.000012 USDT (12 base units) more a second, 1.0368 USDT (1036800 base units) a day;`,
  );
  const effectOf = (token: string) =>
    textOf(through(guard, abi.setLimit.encodeInput({ ...limit, token, capacity: 25n * 10n ** 17n })))['effect'];
  expect(effectOf(`0x${'0'.repeat(40)}`)).toContain('at most 2.5 ETH (2500000000000000000 base units)');
  expect(effectOf(setup.cold_safe)).toContain('at most 2500000000000000000 base units (DECIMALS UNKNOWN)');
});

test('the addresses that the setup does not know are listed, once each and no hash for one', () => {
  const stranger = '0x27b1fdb04752bbc536007a920d24acb045561c26';
  const lines = read(through(registry, abi.setVault.encodeInput(stranger)));
  expect(strangersOf(lines, setup)).toEqual([addr.addChecksum(stranger)]);
  expect(strangersOf(read(through(registry, setVault)), setup)).toEqual([]);
});

test('the hot Safe changes itself by the timelock as its module, and is told apart', () => {
  const lines = read(through(hotSafe, abi.execTransactionFromModule.encodeInput(module)));
  expect(lines).toContainEqual(['as', 'its module, past its owners and its guard']);
  expect(Object.fromEntries(lines)['effect']).toContain(`${guard} (the vault-guard) judges every transaction`);
});

test('the functions of the Safe have the selectors of Safe 1.5.0', () => {
  const selectors = governanceCalls
    .filter((row) => row.contract === 'hot-safe')
    .map((row) => [row.name, bytesToHex(keccak_256(utf8ToBytes(signatureOf(row))).subarray(0, 4))]);
  expect(Object.fromEntries(selectors)).toEqual({
    setGuard: 'e19a9dd9',
    enableModule: '610b5925',
    disableModule: 'e009cfde',
    setFallbackHandler: 'f08a0323',
    swapOwner: 'e318b52b',
    addOwnerWithThreshold: '0d582f13',
    removeOwner: 'f8dc5dd9',
    changeThreshold: '694e80c3',
  });
  expect(bytesToHex(abi.execTransactionFromModule.encodeInput(module).subarray(0, 4))).toBe('468721a7');
});

test('what the builder makes of each row is what the inspector reads', () => {
  const sample = {
    address: guard,
    uint64: '77',
    uint128: '88',
    uint256: '99',
    bool: 'true',
    bytes32: `0x${'ab'.repeat(32)}`,
  };
  const withDesk = {
    ...setup,
    contracts: [
      ...setup.contracts,
      { kind: 'emergency-desk', address: '0x27b1fdb04752bbc536007a920d24acb045561c26' } as const,
    ],
  };
  for (const row of governanceCalls) {
    const values = row.inputs.map(({ type }) => sample[type]);
    const call = { contract: row.contract, name: row.name, values };
    const timelocked = { action: 'schedule', delay_s: '60', salt: '07'.repeat(32) } as const;
    const tx = buildSafeGovernance({ network: setup.network, nonce: '0', call, timelock: timelocked }, withDesk);
    const lines = inspectGovernance(
      { to: tx.to, data: hexToBytes(tx.data.slice(2)) },
      { ...withDesk, contracts: withDesk.contracts.map((one) => ({ ...one, address: addr.addChecksum(one.address) })) },
    );
    expect(lines).toContainEqual(['function', signatureOf(row)]);
    expect(lines.filter(([label]) => label.startsWith('  ')).map(([, text]) => text)).toEqual(values);
  }
});

const grantRole = abi.grantRole.encodeInput({ role: salt, account: hotSafe });
const byModule = (change: Partial<typeof module>) =>
  abi.execTransactionFromModule.encodeInput({ ...module, ...change });
const tooLarge = abi.setLimit.encodeInput({ token: hotSafe, capacity: 1n, refillPerSecond: 1n });
// The highest bit of the 32 bytes of `capacity`.
tooLarge[4 + 32] = 0x80;
test.each<[what: string, code: string, data: Uint8Array]>([
  ['lists of two lengths', 'transaction-malformed', abi.executeBatch.encodeInput({ ...batch, values: [0n] })],
  [
    'an empty batch',
    'transaction-malformed',
    abi.executeBatch.encodeInput({ ...batch, targets: [], values: [], payloads: [] }),
  ],
  ['nine calls at once', 'transaction-malformed', abi.executeBatch.encodeInput(batchOf(9))],
  ['a call that pays', 'transaction-malformed', abi.executeBatch.encodeInput({ ...batch, values: [0n, 1n] })],
  [
    'an unknown call inside',
    'contract-not-allowed',
    abi.execute.encodeInput({ ...single, target: timelock, data: grantRole }),
  ],
  [
    'a known call of a foreign contract',
    'contract-not-allowed',
    abi.execute.encodeInput({ ...single, target: hotSafe }),
  ],
  [
    'a call of another contract’s function',
    'contract-not-allowed',
    abi.execute.encodeInput({ ...single, target: timelock }),
  ],
  ['an unknown call of the timelock', 'contract-not-allowed', grantRole],
  ['a delay without the timelock itself', 'contract-not-allowed', updateDelay],
  [
    'an operation within an operation',
    'contract-not-allowed',
    abi.execute.encodeInput({ ...single, target: timelock, data: abi.execute.encodeInput(single) }),
  ],
  [
    'a call with bytes left over',
    'transaction-malformed',
    abi.execute.encodeInput({ ...single, data: Uint8Array.of(...setVault, 0) }),
  ],
  ['a selector alone', 'transaction-malformed', abi.execute.encodeInput(single).subarray(0, 4)],
  ['a number beyond its type', 'transaction-malformed', through(guard, tooLarge)],
  ['another call of the hot Safe', 'contract-not-allowed', through(hotSafe, setGuard)],
  [
    'a payment by the module',
    'contract-not-allowed',
    through(hotSafe, byModule({ value: 1n, data: new Uint8Array() })),
  ],
  ['a module call to another contract', 'contract-not-allowed', through(hotSafe, byModule({ to: registry }))],
  ['a delegatecall by the module', 'contract-not-allowed', through(hotSafe, byModule({ operation: 1n }))],
  ['an unknown call by the module', 'contract-not-allowed', through(hotSafe, byModule({ data: grantRole }))],
  ['nothing', 'contract-not-allowed', new Uint8Array()],
])('refuses %s', (_what, code, data) => {
  expect(() => read(data)).toThrow(expect.objectContaining({ code }) as Error);
});

test('no two rows are one function of one contract, and each says something', () => {
  const names = governanceCalls.map((row) => `${row.contract} ${signatureOf(row)}`);
  expect(new Set(names).size).toBe(names.length);
  for (const row of governanceCalls) {
    const values = Object.fromEntries(
      row.inputs.map(({ name, type }, index) => [name, type.startsWith('uint') ? `${70_001 + index}` : `<${name}>`]),
    );
    const text = row.text(
      values,
      (address) => address,
      (_token, baseUnits) => baseUnits.toString(),
    );
    for (const value of Object.values(values)) expect(text).toContain(value);
    expect(text.length).toBeGreaterThan(10);
  }
});
