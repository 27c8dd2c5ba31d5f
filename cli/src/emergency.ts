import { readFileSync } from 'node:fs';
import { Failure } from '@holdfast/core/failure.ts';
import { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { type FileCommand, given } from './command.ts';
import { evmRpc } from './evm-rpc.ts';
import { printable } from './format-table.ts';
import { readJsonFile } from './read-json-file.ts';
import { relayEmergency } from './relay-emergency.ts';

const usage = 'relay FILE --rpc URL --key-file FILE';

/** `holdfast emergency relay FILE`: brings to the chain what a signer's emergency key authorised. Needs no server. */
export const emergency: FileCommand = {
  summary: 'relay a pause, veto or evacuation that one signer authorised, past a dead or hostile server',
  usage: [`${usage}: any account with gas will do; its key is 64 hex digits`],
  options: { rpc: { type: 'string' }, 'key-file': { type: 'string' } },
  async run([action, file, ...more], values) {
    const { rpc, 'key-file': keyFile } = given(values, 'rpc', 'key-file');
    if (action !== 'relay' || file === undefined || more.length > 0 || rpc === undefined || keyFile === undefined)
      throw new Failure('invalid-request', `usage: holdfast emergency ${usage}`);
    const authorisation = readJsonFile(file, EmergencyAuthorisation);
    const { act, network, desk } = authorisation;
    const relayed = await relayEmergency(evmRpc(rpc), authorisation, readGasKey(keyFile));
    const lines =
      relayed.state === 'spent'
        ? [`${act.kind} of ${desk} on ${network} was executed before; nothing was sent`]
        : [`${act.kind} of ${desk} on ${network} by ${relayed.txid}`, ...relayed.effects.map((line) => `  ${line}`)];
    return { json: { act: act.kind, network, desk, ...relayed }, text: lines.map(printable).join('\n') };
  },
};

function readGasKey(file: string): Uint8Array {
  try {
    const text = readFileSync(file, 'utf8').trim().replace(/^0x/, '');
    if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  } catch (cause) {
    throw new Failure('config-invalid', `${file} cannot be read`, { cause });
  }
  throw new Failure('config-invalid', `${file} holds no private key of 64 hex digits`);
}
