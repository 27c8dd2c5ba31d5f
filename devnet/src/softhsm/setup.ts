/**
 * `npm run setup:hsm`: what the HSM tests and the benchmark need and `npm ci` does not bring. SoftHSM2, an HSM in software, is
 * taken from Debian into the user's cache folder; the native part of pkcs11js, which no install script builds, is compiled
 * against the headers that come with the pinned Node. Nothing is done twice; the second time needs no network.
 */
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorRow } from '@holdfast/core/contract/error-codes.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { ownSuite } from '../debian/archive.ts';
import { cacheFolder, exists, findOnPath, run } from '../debian/commands.ts';
import { installUnpacked } from '../debian/install-unpacked.ts';

/** An HSM in software that runs on this machine. */
export interface SoftHsm {
  /** The PKCS#11 module. */
  readonly module: string;
  /** softhsm2-util: makes tokens. */
  readonly util: string;
  /** What processes that load it need in their environment, besides SOFTHSM2_CONF. */
  readonly env: Readonly<Record<string, string>>;
}

const installFix = {
  fix: 'Install SoftHSM2 (Debian: softhsm2), or run on Debian with a working apt; then run `npm run setup:hsm`.',
};
/** Where distributions keep the module. */
const systemModules = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/pkcs11/libsofthsm2.so'];
/** What Node itself stands on. It is loaded already in the process that loads the module. */
const nodesOwn = ['libc6', 'libgcc-s1', 'libstdc++6'];
const root = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * The system's SoftHSM2 where one is installed, else the unpacked one, else a fresh unpack through apt.
 * @throws Failure hsm-unavailable when there is none and none can be had.
 */
export async function ensureSoftHsm(log: (line: string) => void = () => {}): Promise<SoftHsm> {
  const systemUtil = await findOnPath('softhsm2-util');
  for (const module of systemModules) {
    if (systemUtil !== undefined && (await exists(module))) return { module, util: systemUtil, env: {} };
  }
  const target = join(cacheFolder(), 'softhsm2');
  if (!(await exists(target))) {
    try {
      // It is loaded into a running process, so it has to be of this system's own release.
      const wanted = { name: 'hsm', packageName: 'softhsm2', suites: [await ownSuite()], without: nodesOwn };
      await installUnpacked(wanted, target, async (unpacked) => `SoftHSM ${await versionOf(unpacked)}`, log);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Failure('hsm-unavailable', `no SoftHSM2 on this machine, and unpacking it failed: ${why}`, installFix);
    }
  }
  const unpacked = unpackedIn(target);
  const alone = await run(unpacked.util, ['--version'], target).then(
    () => true,
    () => false,
  );
  // A signer's bundle refuses a search path of libraries: there is none where the system has what the module stands on.
  return alone ? { ...unpacked, env: {} } : unpacked;
}

function unpackedIn(folder: string): SoftHsm {
  const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return {
    module: join(folder, 'usr/lib/softhsm/libsofthsm2.so'),
    util: join(folder, 'usr/bin/softhsm2-util'),
    env: { LD_LIBRARY_PATH: join(folder, 'usr/lib', multiarch) },
  };
}

async function versionOf(folder: string): Promise<string> {
  const { util, env } = unpackedIn(folder);
  return (await run(util, ['--version'], folder, env)).trim();
}

/**
 * Builds the native part of pkcs11js where it is missing or does not load.
 * @throws Failure hsm-unavailable with the compiler's last words.
 */
export async function ensurePkcs11(log: (line: string) => void = () => {}): Promise<void> {
  const load = ['--input-type=commonjs', '--eval', "require('pkcs11js')"];
  const loads = async (): Promise<boolean> =>
    run(process.execPath, load, join(root, 'signer')).then(
      () => true,
      () => false,
    );
  if (await loads()) return;
  log('hsm: building the native part of pkcs11js');
  try {
    await build();
  } catch (cause) {
    throw new Failure('hsm-unavailable', `pkcs11js could not be built: ${(cause as Error).message}`, {
      fix: 'Install a C++ compiler, make and Python 3 (Debian: build-essential python3); then run `npm run setup:hsm`.',
    });
  }
  if (!(await loads())) throw new Failure('hsm-unavailable', 'pkcs11js was built and does not load in this Node');
}

/** In a copy below the system's temporary folder: node-gyp builds nothing in a folder whose path has a space. */
async function build(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'holdfast-pkcs11js-'));
  const built = 'node_modules/pkcs11js/build/Release/pkcs11.node';
  try {
    await cp(join(root, 'node_modules/pkcs11js'), join(work, 'node_modules/pkcs11js'), { recursive: true });
    await writeFile(join(work, 'package.json'), JSON.stringify({ private: true }));
    await run('npm', ['rebuild', 'pkcs11js', '--ignore-scripts=false'], work, await headers(work));
    await mkdir(dirname(join(root, built)), { recursive: true });
    await cp(join(work, built), join(root, built));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** For node-gyp: the headers that the pinned Node comes with, so that it fetches none. */
async function headers(work: string): Promise<Record<string, string>> {
  const folder = dirname(dirname(process.execPath));
  if (!(await exists(join(folder, 'include/node/node_api.h')))) return {};
  const link = join(work, 'node');
  await symlink(folder, link);
  return { npm_config_nodedir: link };
}

if (import.meta.main) {
  try {
    const say = (line: string): void => console.log(line);
    await ensurePkcs11(say);
    const { module } = await ensureSoftHsm(say);
    console.log(`hsm: ${module}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`${error.message}\n${error.fix ?? errorRow(error.code).fix}`);
    process.exitCode = errorRow(error.code).exit;
  }
}
