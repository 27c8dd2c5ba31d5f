import { dirname } from 'node:path';
import { Crash, currentProcess, world } from './world.ts';

/** A file's bytes as programs see them, and as they are after a power cut. */
export interface SimulatedFile {
  bytes: Buffer;
  synced: Buffer;
}

interface Rename {
  readonly path: string;
  readonly file: SimulatedFile | null;
}

/** How often a disk does what disks do, per operation. */
export interface DiskFaults {
  /** The power goes. */
  readonly crash: number;
  /** A write or a flush fails, and what was written stays unsynced. */
  readonly failure: number;
}

/**
 * One machine's disk. What was not synced may be lost by a power cut: of an appended tail any first part stays, other
 * writes and new names stay or not. Names change in the order in which they were written (a journalling file system).
 */
export class Disk {
  faults: DiskFaults = { crash: 0, failure: 0 };
  /** Told of every write or flush that failed. */
  onFailure: () => void = () => undefined;
  readonly #files = new Map<string, SimulatedFile>();
  readonly #durable = new Map<string, SimulatedFile>();
  #renames: Rename[] = [];
  /** Nothing depends on whether a power cut leaves an empty folder. */
  readonly #folders = new Set<string>();

  /** A disk with the same content, all of it synced. */
  copy(): Disk {
    const other = new Disk();
    for (const path of this.#folders) other.#folders.add(path);
    for (const [path, { bytes }] of this.#files) {
      const file = { bytes: Buffer.from(bytes), synced: Buffer.from(bytes) };
      other.#files.set(path, file);
      other.#durable.set(path, file);
    }
    return other;
  }

  find(path: string): SimulatedFile | undefined {
    return this.#files.get(path);
  }

  /** What a power cut leaves of a file at the least. */
  surviving(path: string): string {
    return this.#durable.get(path)?.synced.toString('utf8') ?? '';
  }

  paths(): string[] {
    return [...this.#files.keys()];
  }

  makeFolder(path: string): void {
    this.#folders.add(path);
  }

  isFolder(path: string): boolean {
    return this.#folders.has(path) || this.paths().some((one) => one.startsWith(`${path}/`));
  }

  name(path: string, file: SimulatedFile | null): void {
    if (file) this.#files.set(path, file);
    else this.#files.delete(path);
    this.#renames.push({ path, file });
  }

  make(path: string): SimulatedFile {
    const file = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) };
    this.name(path, file);
    return file;
  }

  syncFolder(folder: string): void {
    const last = this.#renames.findLastIndex(({ path }) => dirname(path) === folder);
    for (const { path, file } of this.#renames.splice(0, last + 1)) keep(this.#durable, path, file);
  }

  /** The power goes and comes back. */
  cutPower(): void {
    const { random } = world();
    const kept = random.between(0, this.#renames.length);
    for (const { path, file } of this.#renames.slice(0, kept)) keep(this.#durable, path, file);
    this.#renames = [];
    this.#files.clear();
    for (const [path, file] of this.#durable) {
      const { bytes, synced } = file;
      const isTail = bytes.length > synced.length && bytes.subarray(0, synced.length).equals(synced);
      const rest = isTail
        ? bytes.subarray(0, random.between(synced.length, bytes.length))
        : random.pick([bytes, synced]);
      const after = { bytes: Buffer.from(rest), synced: Buffer.from(rest) };
      this.#durable.set(path, after);
      this.#files.set(path, after);
    }
  }
}

function keep(names: Map<string, SimulatedFile>, path: string, file: SimulatedFile | null): void {
  if (file) names.set(path, file);
  else names.delete(path);
}

export const diskRoot = '/simulated/';
const disks = new Map<string, Disk>();
export const setDisk = (machine: string, disk: Disk): void => void disks.set(machine, disk);

/** The disk that a path below `/simulated/<machine>/` is on; undefined for paths of the real one. */
export function diskOf(path: string): Disk | undefined {
  if (!path.startsWith(diskRoot)) return undefined;
  const machine = path.slice(diskRoot.length).split('/')[0] ?? '';
  const disk = disks.get(machine);
  if (!disk) throw new Error(`no simulated machine ${machine}`);
  return disk;
}

export class DiskError extends Error {
  readonly code: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

/** Before a call that writes or syncs. @throws Crash, DiskError. */
export function mayFail(disk: Disk, path: string): void {
  const owner = currentProcess();
  if (!owner) return;
  if (!owner.alive) throw new Crash('the process is dead');
  if (disk.faults.crash > 0 && world().random.chance(disk.faults.crash)) {
    world().kill(owner, `power cut while ${path} was written`);
    throw new Crash('power cut');
  }
  if (disk.faults.failure > 0 && world().random.chance(disk.faults.failure)) {
    world().note(`${path} cannot be written`);
    disk.onFailure();
    throw new DiskError('EIO', path);
  }
}
