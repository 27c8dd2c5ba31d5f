import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emergencyHash, encodeEmergency, type EmergencyOrder } from '@holdfast/core/chains/evm/emergency-desk.ts';
import { run } from '@holdfast/cli/run.ts';
import type { EmergencyAct, EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { addressOfKey, devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { rpcCall } from '@holdfast/devnet/evm/json-rpc.ts';
import { mintAndSendUsdc, sendEth } from '@holdfast/devnet/evm/payments.ts';
import { sendAndWait } from '@holdfast/devnet/evm/send-transaction.ts';
import { type AnvilNode, startAnvil } from '@holdfast/devnet/evm/start-anvil.ts';
import { sourceProgram } from '@holdfast/devnet/signer-program.ts';
import { makeSigner, passphraseText } from '@holdfast/signer/emergency/emergency.test-support.ts';
import type { SignerCard } from '@holdfast/signer/init.ts';
import {
  balanceWei,
  deployTestVault,
  emergencyKeys,
  governanceKeys,
  mined,
  safeNonce,
  tokenBalance,
  type VaultDevnet,
} from '../support/anvil.ts';
import { scheduleCall } from '../support/schedule-call.ts';
import { preparedProgram } from '../support/signer-program.ts';

/** The deployed desk is the vector: what core hashes and encodes it must take, and nothing near it. */
let devnet: Omit<VaultDevnet, 'stop'>;
let node: AnvilNode;
let folder: string;
let card: SignerCard;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-emergency-'));
  writeFileSync(join(folder, 'passphrase'), passphraseText, { mode: 0o600 });
  writeFileSync(join(folder, 'gas.key'), stranger);
  node = await startAnvil();
  card = await makeSigner(join(folder, 'signer-1'), Date.now, async (network, { emergency_address: own }) => {
    const keys = [own, ...emergencyKeys.map(addressOfKey)];
    const deployment = await deployTestVault(node.url, { emergencyKeys: keys });
    devnet = { url: node.url, deployment };
    const { desk, timelock, usdc, usdt } = deployment;
    const [native, token] = network.assets;
    if (!native || !token) throw new Error('the sample has a coin and a token');
    network.network = `eip155:${deployment.chainId}`;
    network.emergency = { desk, timelock, keys };
    network.assets = [native, { ...token, contract: usdc }, { ...token, contract: usdt }];
  });
});
afterAll(async () => {
  await node?.stop();
  rmSync(folder, { recursive: true });
});

const anHourS = 3_600n;
/** Pays the gas, and has nothing else to do with the vault. */
const stranger = devnetKeys.faucet;

async function nowS(): Promise<bigint> {
  const block = await rpcCall<{ timestamp: string }>(devnet.url, 'eth_getBlockByNumber', ['latest', false]);
  return BigInt(block.timestamp);
}

async function order(act: EmergencyAct, change: Partial<EmergencyOrder> = {}): Promise<EmergencyOrder> {
  return { act, nonce: BigInt(`0x${randomBytes(32).toString('hex')}`), deadlineS: (await nowS()) + anHourS, ...change };
}

function signed(
  one: EmergencyOrder,
  change: { readonly key?: string; readonly chainId?: bigint; readonly desk?: string } = {},
): string {
  const {
    key = emergencyKeys[1]!,
    chainId = BigInt(devnet.deployment.chainId),
    desk = devnet.deployment.desk,
  } = change;
  const hash = emergencyHash({ chainId, desk, order: one });
  const signature = secp256k1.sign(hash, hexToBytes(key.slice(2)), { prehash: false, format: 'recovered' });
  const v = (27 + (signature[0] ?? 0)).toString(16);
  return encodeEmergency(one, bytesToHex(signature.subarray(1)) + v);
}

const relay = (data: string) => sendAndWait({ rpcUrl: devnet.url, key: stranger, to: devnet.deployment.desk, data });

/** Selector of the error that the desk answers. */
async function refusal(data: string): Promise<string> {
  const body = { jsonrpc: '2.0', id: 1, method: 'eth_call', params: [{ to: devnet.deployment.desk, data }, 'latest'] };
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(devnet.url, { method: 'POST', headers, body: JSON.stringify(body) });
  const { error } = (await answer.json()) as { error?: { data?: string } };
  return error?.data?.slice(2, 10) ?? 'nothing was refused';
}
const errorOf = (signature: string): string => bytesToHex(keccak_256(utf8ToBytes(signature))).slice(0, 8);
const refusals = {
  expired: errorOf('AuthorisationExpired(uint256,uint256)'),
  stranger: errorOf('NotAnEmergencyKey(address)'),
  spent: errorOf('NonceSpent(address,uint256)'),
};

async function flagAt(to: string, call: string): Promise<boolean> {
  return BigInt(await rpcCall<string>(devnet.url, 'eth_call', [{ to, data: call }, 'latest'])) === 1n;
}
const isPaused = () => flagAt(devnet.deployment.guard, `0x${errorOf('paused()')}`);
const isPending = (id: string) =>
  flagAt(devnet.deployment.timelock, `0x${errorOf('isOperationPending(bytes32)')}${id.slice(2)}`);

/** Refused for each reason alone, then taken once. */
async function takenOnce(act: EmergencyAct): Promise<void> {
  const good = await order(act);
  const late = { ...good, deadlineS: (await nowS()) - 1n };
  expect(await refusal(signed(late))).toBe(refusals.expired);
  expect(await refusal(signed(good, { key: governanceKeys[0]! }))).toBe(refusals.stranger);
  expect(await refusal(signed(good, { chainId: 1n }))).toBe(refusals.stranger);
  expect(await refusal(signed(good, { desk: devnet.deployment.safe }))).toBe(refusals.stranger);
  const other: EmergencyAct = act.kind === 'pause' ? { kind: 'evacuate', tokens: [] } : { kind: 'pause' };
  // The signature of one act under the call of another.
  const moved = encodeEmergency({ ...good, act: other }, signatureIn(signed(good)));
  expect(await refusal(moved)).toBe(refusals.stranger);
  const data = signed(good);
  await relay(data);
  expect(await refusal(data)).toBe(refusals.spent);
}

/** The last word but padding: 65 bytes, padded to 96. */
function signatureIn(data: string): string {
  return data.slice(-192, -62);
}

const scheduleHorizon = () =>
  scheduleCall(
    { url: devnet.url, vault: devnet.deployment, keys: governanceKeys },
    { contract: 'vault-guard', name: 'setHorizon', values: ['3600'] },
    100,
  );

test('a veto cancels what governance scheduled, once, relayed by a stranger', async () => {
  const id = await scheduleHorizon();
  expect(await isPending(id)).toBe(true);
  await takenOnce({ kind: 'veto', operations: [id] });
  expect(await isPending(id)).toBe(false);
});

test('a pause stops the vault', async () => {
  expect(await isPaused()).toBe(false);
  await takenOnce({ kind: 'pause' });
  expect(await isPaused()).toBe(true);
});

test('an evacuation takes coins and tokens to the cold Safe, also while the vault is paused', async () => {
  const { url, deployment } = devnet;
  const { safe, coldSafe, usdc } = deployment;
  await mined(devnet, sendEth({ rpcUrl: url, to: safe, amountWei: 10n ** 18n }));
  await mined(devnet, mintAndSendUsdc({ rpcUrl: url, usdc, to: safe, amount: 5_000_000n }));
  const nonce = await safeNonce(url, safe);
  await takenOnce({ kind: 'evacuate', tokens: [usdc, deployment.usdt] });
  const { hash } = await rpcCall<{ hash: string }>(url, 'eth_getBlockByNumber', ['latest', false]);
  expect([await balanceWei(url, coldSafe), await tokenBalance(url, usdc, coldSafe, hash)]).toEqual([
    10n ** 18n,
    5_000_000n,
  ]);
  expect([await balanceWei(url, safe), await safeNonce(url, safe)]).toEqual([0n, nonce]);
});

/** By the signer's own program, on its host. */
async function onHost(...args: string[]): Promise<EmergencyAuthorisation> {
  const { main } = preparedProgram() ?? sourceProgram;
  const env = { HOLDFAST_PASSPHRASE_FILE: join(folder, 'passphrase') };
  const network = ['--network', `eip155:${devnet.deployment.chainId}`];
  const all = [main, 'emergency', join(folder, 'signer-1'), ...args, ...network];
  const { stdout } = await promisify(execFile)(process.execPath, all, { env }).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
  return JSON.parse(stdout) as EmergencyAuthorisation;
}

/** `holdfast emergency relay`. @returns exit code and all that it said. */
async function holdfastRelay(authorisation: EmergencyAuthorisation): Promise<{ code: number; said: string }> {
  const file = join(folder, 'authorisation.json');
  writeFileSync(file, JSON.stringify(authorisation));
  const said: string[] = [];
  const take = (text: string): void => void said.push(text);
  const gas = ['--rpc', devnet.url, '--key-file', join(folder, 'gas.key')];
  const code = await run(['emergency', 'relay', file, ...gas], { out: take, err: take });
  return { code, said: said.join('\n') };
}

test('what a signer signs on its host anybody relays with the command line, once', async () => {
  const { url, deployment } = devnet;
  const { safe, coldSafe, usdc } = deployment;
  const id = await scheduleHorizon();
  const veto = await onHost('veto', '--operation', id);
  expect(await holdfastRelay(veto)).toMatchObject({
    code: 0,
    said: expect.stringContaining(`cancelled operation ${id}`),
  });
  expect(await isPending(id)).toBe(false);

  await mined(devnet, mintAndSendUsdc({ rpcUrl: url, usdc, to: safe, amount: 7_000_000n }));
  const before = await tokenBalance(url, usdc, coldSafe);
  const evacuation = await onHost('evacuate');
  expect(evacuation.key).toBe(card.emergency_address);
  expect(await holdfastRelay(evacuation)).toMatchObject({
    code: 0,
    said: expect.stringContaining(`7000000 base units of ${usdc}`),
  });
  expect(await tokenBalance(url, usdc, coldSafe)).toBe(before + 7_000_000n);

  const pauses = async () =>
    BigInt(
      await rpcCall<string>(url, 'eth_call', [{ to: deployment.guard, data: `0x${errorOf('pauses()')}` }, 'latest']),
    );
  const count = await pauses();
  const pause = await onHost('pause');
  expect(await holdfastRelay(pause)).toMatchObject({ code: 0, said: expect.stringContaining('only cold governance') });
  expect(await holdfastRelay(pause)).toMatchObject({
    code: 0,
    said: expect.stringContaining('executed before; nothing was sent'),
  });
  expect(await pauses()).toBe(count + 1n);
  expect(readFileSync(join(folder, 'signer-1/emergency.jsonl'), 'utf8').split(pause.nonce)).toHaveLength(2);
});

test('the command line sends nothing that was altered, is late or is for another chain, and says why', async () => {
  const pause = await onHost('pause', '--deadline', '30');
  const refusedFor = async (change: Partial<EmergencyAuthorisation>) => holdfastRelay({ ...pause, ...change });
  expect(await refusedFor({ desk: devnet.deployment.safe })).toMatchObject({
    code: 3,
    said: expect.stringContaining('not by'),
  });
  expect(await refusedFor({ deadline_s: pause.deadline_s + 1 })).toMatchObject({
    code: 3,
    said: expect.stringContaining('calldata'),
  });
  expect(await refusedFor({ network: 'eip155:1' })).toMatchObject({ code: 3, said: expect.stringContaining('not by') });
  await rpcCall(devnet.url, 'evm_increaseTime', [60]);
  await rpcCall(devnet.url, 'anvil_mine', ['0x1']);
  expect(await holdfastRelay(pause)).toMatchObject({
    code: 3,
    said: expect.stringContaining('its deadline has passed'),
  });
});
