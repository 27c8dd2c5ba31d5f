import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import { cacheFolder, exists, findOnPath, run } from '../debian/commands.ts';
import { installUnpacked } from '../debian/install-unpacked.ts';
import { ownSuite } from '../debian/archive.ts';

/**
 * strace, which makes system calls of other processes fail: the system's own, else one that is unpacked from Debian into the
 * user's cache folder; the second time needs no network.
 * @returns its path, and what it needs in its environment.
 * @throws Failure config-invalid when there is none and none can be had.
 */
export async function ensureStrace(
  log: (line: string) => void = () => {},
): Promise<{ command: string; env: Readonly<Record<string, string>> }> {
  const installed = await findOnPath('strace');
  if (installed !== undefined) return { command: installed, env: {} };
  const target = join(cacheFolder(), 'strace');
  const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const env = (root: string) => ({ LD_LIBRARY_PATH: join(root, 'usr/lib', multiarch) });
  if (!(await exists(target))) {
    try {
      const wanted = { name: 'strace', packageName: 'strace', suites: [await ownSuite()], without: ['libc6'] };
      const version = async (root: string): Promise<string> =>
        (await run(join(root, 'usr/bin/strace'), ['--version'], root, env(root))).split('\n')[0]!;
      await installUnpacked(wanted, target, version, log);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Failure('config-invalid', `no strace on this machine, and unpacking it failed: ${why}`, {
        fix: 'Install strace (Debian: strace), or run on Debian with a working apt.',
      });
    }
  }
  return { command: join(target, 'usr/bin/strace'), env: env(target) };
}
