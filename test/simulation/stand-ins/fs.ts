import * as fs from 'node:fs';
import { join, relative } from 'node:path';
import { type Disk, diskOf, DiskError, mayFail, type SimulatedFile } from '../world/disk.ts';

/** In place of node:fs: paths of simulated machines lead to simulated disks, all others to the real one. */
export * from 'node:fs';

interface Opened {
  readonly disk: Disk;
  readonly path: string;
  /** null: a folder. */
  readonly file: SimulatedFile | null;
}

const opened = new Map<number, Opened>();
/** Far above what the system gives. */
let lastDescriptor = 1_000_000;

function fileAt(disk: Disk, path: string): SimulatedFile {
  const file = disk.find(path);
  if (!file) throw new DiskError('ENOENT', path);
  return file;
}

export function existsSync(path: string): boolean {
  const disk = diskOf(path);
  return disk ? disk.find(path) !== undefined || disk.isFolder(path) : fs.existsSync(path);
}

export function readFileSync(path: string, encoding?: BufferEncoding): string | Buffer {
  const disk = diskOf(path);
  if (!disk) return encoding === undefined ? fs.readFileSync(path) : fs.readFileSync(path, encoding);
  const { bytes } = fileAt(disk, path);
  return encoding === undefined ? Buffer.from(bytes) : bytes.toString(encoding);
}

export function mkdirSync(path: string, options?: fs.MakeDirectoryOptions): void {
  const disk = diskOf(path);
  if (disk) disk.makeFolder(path);
  else fs.mkdirSync(path, options);
}

export function openSync(path: string, flags: string, mode?: number): number {
  const disk = diskOf(path);
  if (!disk) return fs.openSync(path, flags, mode);
  const descriptor = ++lastDescriptor;
  const found = disk.find(path);
  const file = flags === 'w' ? (mayFail(disk, path), found ?? disk.make(path)) : (found ?? null);
  if (flags === 'w' && file) file.bytes = Buffer.alloc(0);
  if (!file && !disk.isFolder(path)) throw new DiskError('ENOENT', path);
  opened.set(descriptor, { disk, path, file });
  return descriptor;
}

const openedFile = (descriptor: number): Opened & { file: SimulatedFile } => {
  const one = opened.get(descriptor);
  if (!one?.file) throw new DiskError('EBADF', String(descriptor));
  return { ...one, file: one.file };
};

export function writeFileSync(target: number | string, data: string | Uint8Array, options?: fs.WriteFileOptions): void {
  if (typeof target === 'string') {
    const disk = diskOf(target);
    if (!disk) return fs.writeFileSync(target, data, options);
    mayFail(disk, target);
    (disk.find(target) ?? disk.make(target)).bytes = Buffer.from(data as string);
    return;
  }
  if (!opened.has(target)) return fs.writeFileSync(target, data, options);
  const { disk, path, file } = openedFile(target);
  file.bytes = Buffer.from(data as string);
  mayFail(disk, path);
}

export function fsyncSync(descriptor: number): void {
  const one = opened.get(descriptor);
  if (!one) return fs.fsyncSync(descriptor);
  mayFail(one.disk, one.path);
  if (one.file) one.file.synced = Buffer.from(one.file.bytes);
  else one.disk.syncFolder(one.path);
}

export function closeSync(descriptor: number): void {
  if (!opened.delete(descriptor)) fs.closeSync(descriptor);
}

export function renameSync(from: string, to: string): void {
  const disk = diskOf(from);
  if (!disk) return fs.renameSync(from, to);
  const file = fileAt(disk, from);
  mayFail(disk, to);
  disk.name(to, file);
  disk.name(from, null);
}

export function rmSync(path: string, options?: fs.RmOptions): void {
  const disk = diskOf(path);
  if (!disk) return fs.rmSync(path, options);
  if (disk.find(path)) disk.name(path, null);
}

export function statSync(path: string): { size: number } {
  const disk = diskOf(path);
  return disk ? { size: fileAt(disk, path).bytes.length } : fs.statSync(path);
}

export function fstatSync(descriptor: number): { size: number } {
  return opened.has(descriptor) ? { size: openedFile(descriptor).file.bytes.length } : fs.fstatSync(descriptor);
}

export function ftruncateSync(descriptor: number, length: number): void {
  if (!opened.has(descriptor)) return fs.ftruncateSync(descriptor, length);
  const { file } = openedFile(descriptor);
  file.bytes = file.bytes.subarray(0, length);
}

export function readSync(descriptor: number, into: Buffer, offset: number, length: number, at: number): number {
  if (!opened.has(descriptor)) return fs.readSync(descriptor, into, offset, length, at);
  return openedFile(descriptor).file.bytes.copy(into, offset, at, at + length);
}

/** Both forms that the signer uses: names of one folder, and all files below it. */
export function readdirSync(folder: string, options?: { recursive?: boolean; withFileTypes?: boolean }): unknown[] {
  const disk = diskOf(folder);
  if (!disk) return fs.readdirSync(folder);
  const below = disk.paths().filter((path) => path.startsWith(`${folder}/`));
  if (!options?.withFileTypes) return [...new Set(below.map((path) => relative(folder, path).split('/')[0]))];
  return below.toSorted().map((path) => ({
    name: path.split('/').at(-1),
    parentPath: join(path, '..'),
    isFile: () => true,
  }));
}
