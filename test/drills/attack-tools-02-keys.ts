import { randomBytes } from 'node:crypto';
import { tweakSecret } from '@holdfast/core/keys/tweak-frost.ts';
import { devnetKeys } from '@holdfast/devnet/evm/accounts.ts';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Attack } from './attack.ts';
import {
  drainTo,
  execute,
  frostInputs,
  hotAddresses,
  hotCoins,
  payOut,
  safeEther,
  safeHash,
  safeNonce,
  sendBitcoin,
  testBitcoin,
  tryOut,
  withSignatures,
} from './attack-tools-chains.ts';
import { signWithShares } from './attack-tools-frost.ts';
import { stealSigner } from './attack-tools-signers.ts';

const word = (hex: string): string => hex.replace('0x', '').toLowerCase().padStart(64, '0');

export const safeAlone: Attack = {
  name: "all ether of the Safe with one owner's key: alone, twice, and beside what is made to look like another's",
  run: async (stage) => {
    const { system } = stage;
    const [stolen, other] = await Promise.all([stealSigner(stage), stealSigner(stage, 'signer-2')]);
    const address = await stage.thief('ETH');
    const tx = payOut(system, address, await safeEther(system), await safeNonce(system));
    const hash = safeHash(system, tx);
    const own = bytesToHex(await stolen.owner.sign(hash));
    // The Safe wants signatures in the order of their owners.
    const sorted = (mine: string, theirs: string): string =>
      `0x${BigInt(stolen.owner.address) < BigInt(other.owner.address) ? mine + theirs : theirs + mine}`;
    // Safe.sol, checkNSignatures: v 0 is a contract's signature, 1 an approval on the chain, above 30 eth_sign.
    const approved = `${word(other.owner.address)}${word('0')}01`;
    const contract = `${word(other.owner.address)}${word('82')}00`;
    const forged = `${randomBytes(64).toString('hex')}1b`;
    const attempts = {
      alone: `0x${own}`,
      twice: `0x${own}${own}`,
      'by eth_sign too': `0x${own}${own.slice(0, 128)}${own.endsWith('1b') ? '1f' : '20'}`,
      'with an approval that nobody gave': sorted(own, approved),
      "with a contract's signature": `${sorted(own, contract)}${word('0')}`,
      'with random bytes': sorted(own, forged),
    };
    const evidence: string[] = [];
    for (const packed of Object.values(attempts)) {
      const said = await execute(system, tx, packed, devnetKeys.spare);
      evidence.push(`chain ${said}`);
    }
    const left = await stage.stolen('ETH', address);
    // It was for the second key and nothing else: with it, the Safe would have paid. Nothing is sent.
    const both = await tryOut(system, tx, sorted(own, bytesToHex(await other.owner.sign(hash))));
    if (both !== 'executed') throw new Error(`the payment would not go through anyway: ${both}`);
    stolen.close();
    other.close();
    return { left: { ETH: left }, haltedAfterMs: null, evidence };
  },
};

export const shareAlone: Attack = {
  name: 'every coin of the hot wallet with one share of the threshold key, the rest made up',
  run: async (stage) => {
    const { system, asServer } = stage;
    const [stolen, other] = await Promise.all([stealSigner(stage), stealSigner(stage, 'signer-2')]);
    const address = await stage.thief('BTC');
    const coins = await hotCoins(system, await hotAddresses(system, asServer[0]!));
    if (coins.length === 0) throw new Error('the hot wallet is empty');
    const { rawTx } = drainTo(coins, address);
    const inputs = frostInputs(rawTx, coins);
    // One share as if it were the key; and as if the others' were nothing, or known.
    const guesses = [stolen.share.secret, { ...stolen.share.secret, signingShare: schnorr.utils.randomSecretKey() }];
    const attempts = guesses.map((secret) =>
      inputs.map(({ sighash, tweak }) => schnorr.sign(sighash, tweakSecret(secret, tweak).signingShare)),
    );
    attempts.push(inputs.map(() => Uint8Array.from(randomBytes(64))));
    const evidence: string[] = [];
    for (const signatures of attempts) {
      evidence.push(`chain ${await sendBitcoin(system, withSignatures(rawTx, signatures))}`);
    }
    // Two shares would do: the node is asked, nothing is sent.
    const both = await testBitcoin(system, signWithShares([stolen.share, other.share], rawTx, coins));
    if (both !== 'accepted') throw new Error(`the transaction would not go through anyway: ${both}`);
    stolen.close();
    other.close();
    return { left: { BTC: await stage.stolen('BTC', address) }, haltedAfterMs: null, evidence };
  },
};
