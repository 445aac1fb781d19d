import { dlopen, ptr } from "bun:ffi";

/**
 * What a service tells systemd (sd_notify): one datagram on the socket that systemd named. Neither Bun nor Node has datagrams on
 * Unix sockets, hence the calls of the C library; each returns at once.
 */
export interface ServiceManager {
  /** The service does its work from now on (Type=notify waits for it). */
  ready(): void;
  stopping(): void;
  /** One line that `systemctl status` shows. */
  status(text: string): void;
  /** The process is well. Silent for longer than `watchdogMs`, it is ended and started again. */
  alive(): void;
  /** Null: nobody watches. */
  readonly watchdogMs: number | null;
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
/** sun_path of struct sockaddr_un, unix(7). */
const PATH_BYTES_MAX = 108;

/**
 * The service manager that started this process, or null. Takes the variables out of `environment`: they are for this process, and
 * a child that has them (etcd would) speaks where it is not listened to.
 */
export function serviceManager(environment: Record<string, string | undefined> = process.env, pid: number = process.pid): ServiceManager | null {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: microseconds, WATCHDOG_PID: watched } = environment;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete environment[name];
  if (path === undefined || path === "") return null;
  const send = datagramsTo(path);
  if (send === null) return null;
  const isWatched = microseconds !== undefined && /^\d+$/.test(microseconds) && (watched === undefined || Number(watched) === pid);
  return {
    ready: () => send("READY=1"),
    stopping: () => send("STOPPING=1"),
    status: (text) => send(`STATUS=${text.replace(/\s+/g, " ")}`),
    alive: () => send("WATCHDOG=1"),
    watchdogMs: isWatched ? Number(microseconds) / 1000 : null,
  };
}

/** A first byte "@" stands for the zero byte of an abstract name. Lost datagrams are not told: the next one says the same. */
function datagramsTo(path: string): ((text: string) => void) | null {
  const name = Buffer.from(path.replace(/^@/, "\0"));
  if (name.length >= PATH_BYTES_MAX) return null;
  const { symbols: libc } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "usize", "i32", "ptr", "u32"], returns: "i64" },
  });
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return null;
  const address = new Uint8Array(new ArrayBuffer(2 + name.length + (path.startsWith("@") ? 0 : 1)));
  address[0] = AF_UNIX;
  address.set(name, 2);
  return (text) => {
    const message = new Uint8Array(new ArrayBuffer(Buffer.byteLength(text)));
    message.set(Buffer.from(text));
    libc.sendto(fd, ptr(message), message.length, MSG_DONTWAIT_NOSIGNAL, ptr(address), address.length);
  };
}
