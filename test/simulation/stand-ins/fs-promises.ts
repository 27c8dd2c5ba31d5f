import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import type { Disk, SimulatedFile } from '../world/disk.ts';
import { diskOf, DiskError, mayFail } from '../world/disk.ts';
import { currentProcess, world } from '../world/world.ts';

/** In place of node:fs/promises: each operation on a simulated disk takes its time, as an event of its own. */
export * from 'node:fs/promises';

const fastestMs = 0.1;
const slowestMs = 4;

/** The operation happens when its event comes; a process that died meanwhile is told nothing. */
function later<T>(what: string, run: () => T): Promise<T> {
  const owner = currentProcess();
  if (!owner) return Promise.resolve().then(run);
  return new Promise((resolve, reject) => {
    if (!owner.alive) return;
    const delayMs = fastestMs + world().random.next() * slowestMs;
    const happen = (): void => {
      try {
        resolve(run());
      } catch (error) {
        // Of a dead process nothing goes on.
        if (owner.alive) reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    world().after(delayMs, what, happen, owner);
  });
}

class SimulatedHandle {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #file: SimulatedFile | null;

  constructor(disk: Disk, path: string, file: SimulatedFile | null) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
  }

  #do<T>(what: string, run: (file: SimulatedFile) => T, writes = false): Promise<T> {
    return later(`${what} ${this.#path}`, () => {
      if (!this.#file) throw new DiskError('EISDIR', this.#path);
      if (writes) mayFail(this.#disk, this.#path);
      return run(this.#file);
    });
  }

  appendFile(data: string | Uint8Array): Promise<void> {
    return this.#do('append', (file) => {
      file.bytes = Buffer.concat([file.bytes, Buffer.from(data as string)]);
      mayFail(this.#disk, this.#path);
    });
  }

  datasync(): Promise<void> {
    return this.#do('datasync', (file) => void (file.synced = Buffer.from(file.bytes)), true);
  }

  sync(): Promise<void> {
    if (this.#file) return this.datasync();
    return later(`sync ${this.#path}`, () => {
      mayFail(this.#disk, this.#path);
      this.#disk.syncFolder(this.#path);
    });
  }

  stat(): Promise<{ size: number }> {
    return this.#do('stat', (file) => ({ size: file.bytes.length }));
  }

  truncate(length: number): Promise<void> {
    return this.#do('truncate', (file) => void (file.bytes = Buffer.from(file.bytes.subarray(0, length))));
  }

  read(into: Buffer, offset: number, length: number, at: number): Promise<{ bytesRead: number }> {
    return this.#do('read', (file) => ({ bytesRead: file.bytes.copy(into, offset, at, at + length) }));
  }

  write(from: Buffer, offset: number, length: number, at: number): Promise<{ bytesWritten: number }> {
    return this.#do('write', (file) => {
      const grown = Buffer.alloc(Math.max(file.bytes.length, at + length));
      file.bytes.copy(grown);
      from.copy(grown, at, offset, offset + length);
      file.bytes = grown;
      mayFail(this.#disk, this.#path);
      return { bytesWritten: length };
    });
  }

  close(): Promise<void> {
    return later(`close ${this.#path}`, () => undefined);
  }
}

export function open(path: string, flags: number | string = 'r', mode?: number): Promise<unknown> {
  const disk = diskOf(path);
  if (!disk) return fs.open(path, flags, mode);
  return later(`open ${path}`, () => {
    const found = disk.find(path);
    if (found) return new SimulatedHandle(disk, path, found);
    if (typeof flags === 'number' && (flags & constants.O_CREAT) !== 0)
      return new SimulatedHandle(disk, path, disk.make(path));
    if (disk.isFolder(path)) return new SimulatedHandle(disk, path, null);
    throw new DiskError('ENOENT', path);
  });
}

export function writeFile(
  path: string,
  data: string | Uint8Array,
  options: { mode?: number; flush?: boolean } = {},
): Promise<void> {
  const disk = diskOf(path);
  if (!disk) return fs.writeFile(path, data, options);
  return later(`write ${path}`, () => {
    mayFail(disk, path);
    const file = disk.find(path) ?? disk.make(path);
    file.bytes = Buffer.from(data as string);
    if (options.flush) file.synced = Buffer.from(file.bytes);
  });
}

export function rename(from: string, to: string): Promise<void> {
  const disk = diskOf(from);
  if (!disk) return fs.rename(from, to);
  return later(`rename ${from}`, () => {
    mayFail(disk, to);
    const file = disk.find(from);
    if (!file) throw new DiskError('ENOENT', from);
    disk.name(to, file);
    disk.name(from, null);
  });
}
