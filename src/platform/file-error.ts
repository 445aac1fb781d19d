import { FileError, type FileErrorCode } from "./platform.ts";

/** System codes and what they mean to a caller. Whatever says that the device or its filesystem is broken is EIO. */
const CODES: Readonly<Record<string, FileErrorCode>> = {
  ENOENT: "ENOENT", EEXIST: "EEXIST", ENOSPC: "ENOSPC", EDQUOT: "ENOSPC", EROFS: "EROFS", EACCES: "EACCES", EPERM: "EACCES",
  EINVAL: "EINVAL", EIO: "EIO", ENXIO: "EIO", ENODEV: "EIO", EUCLEAN: "EIO", EBADMSG: "EIO", ESHUTDOWN: "EIO", EREMOTEIO: "EIO",
  ENODATA: "EIO", ENOMEDIUM: "EIO",
};

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory", EEXIST: "it exists already", ENOSPC: "no space left on the filesystem",
  EDQUOT: "the quota is used up", EROFS: "the filesystem is read-only", EACCES: "permission denied", EPERM: "not permitted",
  EINVAL: "invalid argument", EIO: "input/output error", ENXIO: "the device is gone", ENODEV: "the device is gone",
  EUCLEAN: "the filesystem is damaged", EBADMSG: "the filesystem is damaged", ESHUTDOWN: "the filesystem was shut down",
  EMFILE: "too many open files", EISDIR: "it is a directory", ENOTDIR: "a part of the path is not a directory",
  EOPNOTSUPP: "the filesystem does not support it", EXDEV: "not on the same filesystem",
};

/** `action` says what was tried and to which path, for example "write 4096 bytes at 0 to /mnt/a". */
export function fileError(action: string, systemCode: string): FileError {
  const words = WORDS[systemCode];
  return new FileError(CODES[systemCode] ?? "other", `cannot ${action}: ${words === undefined ? systemCode : `${words} (${systemCode})`}`);
}

/** The system's code in an error of node:fs; its message when there is none. */
export function systemCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === "string" ? code : error.message;
}
