import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Client, createClient } from '@holdfast/client/create-client.ts';
import { ed25519PrivateKey } from '@holdfast/client/keys.ts';
import { Failure } from '@holdfast/core/failure.ts';

interface CliConfig {
  /** Of the server. */
  readonly url: string;
  readonly key_id: string;
  /** The Ed25519 key that signs requests: its seed in hex, or PEM. Relative to the config's folder. */
  readonly private_key_file: string;
}

export interface Server {
  readonly url: string;
  readonly client: Client;
}

/** Reads the config and opens a client. @throws Failure config-invalid that names the file and what is wrong. */
export function openServer(file: string): Server {
  const config = readConfig(file);
  const keyFile = resolve(dirname(file), config.private_key_file);
  const privateKey = readKey(keyFile);
  return { url: config.url, client: createClient({ baseUrl: config.url, keyId: config.key_id, privateKey }) };
}

function readConfig(file: string): CliConfig {
  const fix = 'Run it where npm start was run, or name the file with --config.';
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Failure('config-invalid', `${file} cannot be read as JSON`, { fix, cause });
  }
  const config = value as Partial<Record<keyof CliConfig, unknown>> | null;
  for (const name of ['url', 'key_id', 'private_key_file'] as const) {
    if (typeof config?.[name] !== 'string') throw new Failure('config-invalid', `${file}: ${name} must be a text`);
  }
  const { url, key_id, private_key_file } = config as CliConfig;
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')) {
    throw new Failure('config-invalid', `${file}: url is no http(s) address: ${url}`);
  }
  return { url, key_id, private_key_file };
}

/** @throws Failure config-invalid */
export function readKey(file: string): KeyObject {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return ed25519PrivateKey(text.startsWith('-----') ? createPrivateKey(text) : text);
  } catch (cause) {
    throw new Failure('config-invalid', `${file} holds no Ed25519 private key (64 hex digits, or PEM)`, { cause });
  }
}
