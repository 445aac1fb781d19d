/** Branded numbers and strings: a value of one kind cannot be passed where another is meant. */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** 512-byte logical block number of a volume. */
export type Lba = Brand<number, "Lba">;
/** Number of a 4 MiB extent inside its volume. */
export type ExtentIndex = Brand<number, "ExtentIndex">;
/** Configuration number of a placement group. */
export type Epoch = Brand<number, "Epoch">;
/** A volume's number: the cluster's incarnation times 2^32 plus a counter, so that none is issued twice. */
export type VolumeId = Brand<number, "VolumeId">;
/** A placement group's number: replication factor times 2^20 plus its index in the pool. */
export type GroupId = Brand<number, "GroupId">;
/** A drive's identity, 16 hexadecimal digits, made when it is formatted and never reused. */
export type DriveId = Brand<string, "DriveId">;
/** A process's number: for a drive a counter in its superblock, for a gateway random. Never 0. */
export type Instance = Brand<number, "Instance">;
/** A server's name, as the administrator gave it. */
export type ServerName = Brand<string, "ServerName">;
