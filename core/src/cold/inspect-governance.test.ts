import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { createContract } from 'micro-eth-signer/abi.js';
import { expect, test } from 'vitest';
import { governanceCalls, signatureOf } from './governance-calls.ts';
import { inspectGovernance } from './inspect-governance.ts';
import type { EvmSetup } from './setup.ts';

const registry = '0x52908400098527886E0F7030069857D2E4169EE7';
const timelock = '0x8617E340B3D01FA5F11F306F4090FD50E238070D';
const hotSafe = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const setup: EvmSetup = {
  network: 'eip155:1',
  coin: 'ETH',
  cold_safe: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359',
  hot_safe: hotSafe,
  tokens: [],
  contracts: [
    { kind: 'vault-registry', address: registry },
    { kind: 'timelock', address: timelock },
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

test('every call of a batch is told, with what it waits for', () => {
  const lines = read(abi.scheduleBatch.encodeInput({ ...batch, delay: 172_800n }));
  expect(lines).toContainEqual(['schedules', 'to be executed no sooner than 172800 seconds after it is scheduled']);
  expect(lines).toContainEqual(['after', `operation 0x${'05'.repeat(32)}`]);
  expect(lines.filter(([label]) => label === 'calls').map(([, text]) => text)).toEqual([
    `${registry} (the vault-registry)`,
    `${timelock} (the timelock)`,
  ]);
  expect(lines.filter(([label]) => label === 'effect').map(([, text]) => text)).toEqual([
    `every deposit address sweeps to ${hotSafe} (the hot Safe) from then on`,
    'the timelock waits 86400 seconds from then on',
  ]);
});

const grantRole = abi.grantRole.encodeInput({ role: salt, account: hotSafe });
test.each<[what: string, code: string, data: Uint8Array]>([
  ['lists of two lengths', 'transaction-malformed', abi.executeBatch.encodeInput({ ...batch, values: [0n] })],
  [
    'an empty batch',
    'transaction-malformed',
    abi.executeBatch.encodeInput({ ...batch, targets: [], values: [], payloads: [] }),
  ],
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
  ['nothing', 'contract-not-allowed', new Uint8Array()],
])('refuses %s', (_what, code, data) => {
  expect(() => read(data)).toThrow(expect.objectContaining({ code }) as Error);
});

test('no two rows are one function of one contract, and each says something', () => {
  const names = governanceCalls.map((row) => `${row.contract} ${signatureOf(row)}`);
  expect(new Set(names).size).toBe(names.length);
  for (const row of governanceCalls) {
    const values = Object.fromEntries(row.inputs.map(({ name }) => [name, `<${name}>`]));
    const text = row.text(values, (address) => address);
    for (const { name } of row.inputs) expect(text).toContain(`<${name}>`);
    expect(text.length).toBeGreaterThan(10);
  }
});
