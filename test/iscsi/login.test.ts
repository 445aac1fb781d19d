import { expect, test } from "bun:test";
import { defaultParameters, negotiate } from "../../src/iscsi/keys.ts";
import { Login, type LoginAnswer } from "../../src/iscsi/login.ts";
import { realCrypto } from "../../src/platform/crypto.ts";
import { realRandom } from "../../src/platform/random.ts";
import { INITIATOR } from "./fixture.ts";
import { MemoryAccess, TARGET } from "./memory-access.ts";

function login(): (flags: number, text: string, change?: (header: Buffer) => void) => LoginAnswer {
  const access = new MemoryAccess();
  access.add({ name: "host", chap: null }, INITIATOR, []);
  const one = new Login({ access, random: realRandom(), crypto: realCrypto(), groupTag: 3, sessionExists: (tsih) => tsih === 5, mayOpen: () => true });
  return (flags, text, change) => {
    const header = Buffer.alloc(48);
    header[0] = 0x43;
    header[1] = flags;
    change?.(header);
    return one.receive(header, Buffer.from(text));
  };
}

const NAMES = `InitiatorName=${INITIATOR}\0TargetName=${TARGET}\0SessionType=Normal\0`;

test("a login through both stages establishes what both sides can do", () => {
  const say = login();
  const first = say(0x81, `${NAMES}AuthMethod=CHAP,None\0`);
  expect([first.flags, first.status, first.pairs]).toEqual([0x81, 0, [["TargetPortalGroupTag", "3"], ["AuthMethod", "None"]]]);
  const second = say(0x87, "HeaderDigest=CRC32C,None\0DataDigest=None,CRC32C\0InitialR2T=No\0ImmediateData=No\0MaxBurstLength=16776192\0FirstBurstLength=512\0MaxRecvDataSegmentLength=65536\0X-com.example=1\0");
  expect([second.flags, second.status]).toEqual([0x87, 0]);
  expect(new Map(second.pairs).get("MaxBurstLength")).toBe("1048576");
  expect(new Map(second.pairs).get("X-com.example")).toBe("NotUnderstood");
  expect(new Map(second.pairs).get("MaxRecvDataSegmentLength")).toBe("262144");
  expect(second.result!.parameters).toEqual({ initialR2T: false, immediateData: false, headerDigest: true, dataDigest: false, maxBurstBytes: 1048576, firstBurstBytes: 512, initiatorDataBytesMax: 65536 });
});

test("text that is spread over PDUs is read as one", () => {
  const say = login();
  expect(say(0x44, NAMES.slice(0, 30))).toMatchObject({ flags: 0x04, status: 0, pairs: [], result: null });
  expect(say(0x87, NAMES.slice(30)).result!.initiatorName).toBe(INITIATOR);
});

test("every refusal has the status that tells the administrator why", () => {
  const status = (flags: number, text: string, change?: (header: Buffer) => void): number => login()(flags, text, change).status;
  expect(status(0x87, "TargetName=x\0")).toBe(0x0207);
  expect(status(0x87, `InitiatorName=${INITIATOR}\0`)).toBe(0x0207);
  expect(status(0x87, NAMES.replace(TARGET, "iqn.else"))).toBe(0x0203);
  expect(status(0x87, NAMES.replace(INITIATOR, "iqn.else"))).toBe(0x0202);
  expect(status(0x87, NAMES.replace("Normal", "Odd"))).toBe(0x0209);
  expect(status(0x87, NAMES, (header) => (header[3] = 1))).toBe(0x0205);
  expect(status(0x87, NAMES, (header) => header.writeUInt16BE(5, 14))).toBe(0x0206);
  expect(status(0x87, NAMES, (header) => header.writeUInt16BE(6, 14))).toBe(0x020a);
  expect(status(0x81, `${NAMES}AuthMethod=CHAP\0`)).toBe(0x0201);
  expect(status(0xc7, NAMES)).toBe(0x0200);
  expect(status(0x8b, NAMES)).toBe(0x0200);
  expect(status(0x84, NAMES)).toBe(0x0200);
  expect(status(0x87, `${NAMES}nonsense\0`)).toBe(0x0200);
  expect(status(0x87, `${NAMES}InitialR2T=No\0InitialR2T=Yes\0`)).toBe(0x0200);
});

test("each key is answered by its rule, and with Reject outside of its bounds", () => {
  const answer = (key: string, value: string, discovery = false): string | null => negotiate(key, value, defaultParameters(), discovery);
  expect(answer("MaxConnections", "8")).toBe("1");
  expect(answer("MaxBurstLength", "0x20000")).toBe("131072");
  expect(answer("MaxBurstLength", "511")).toBe("Reject");
  expect(answer("MaxBurstLength", "1e5")).toBe("Reject");
  expect(answer("DefaultTime2Wait", "2")).toBe("2");
  expect(answer("DefaultTime2Retain", "20")).toBe("0");
  expect(answer("ErrorRecoveryLevel", "2")).toBe("0");
  expect(answer("DataPDUInOrder", "No")).toBe("Yes");
  expect(answer("InitialR2T", "maybe")).toBe("Reject");
  expect(answer("HeaderDigest", "MD5")).toBe("Reject");
  expect(answer("IFMarker", "Yes")).toBe("No");
  expect(answer("OFMarkInt", "2048~8192")).toBe("Reject");
  expect(answer("MaxRecvDataSegmentLength", "100")).toBe("Reject");
  expect(answer("MaxRecvDataSegmentLength", "8192")).toBeNull();
  expect(answer("FirstBurstLength", "65536", true)).toBe("Irrelevant");
});
