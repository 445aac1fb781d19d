import { expect, test } from "bun:test";
import { ClusterMap } from "../../src/cluster/map.ts";
import { realCrypto } from "../../src/platform/crypto.ts";
import type { VolumeId } from "../../src/base/ids.ts";
import type { Volume } from "../../src/volume/volume.ts";
import { realSealer, SECRET_OF } from "../../src/platform/seal.ts";
import { MapAccess } from "../../src/role/access.ts";

const CLUSTER = { id: "0123456789abcdef0123456789abcdef", name: "c", incarnation: 1, targetName: "iqn.2026-01.com.example:c", formedAtMs: 0 };

const sealer = realSealer(new Uint8Array(32).fill(7));
const openSecret = (sealed: string, about: string) => sealer.open(sealed, about) ?? "nobody knows";

function cluster(id = CLUSTER.id) {
  const map = new ClusterMap();
  const access = new MapAccess(map, realCrypto(), (volume) => (map.volumes.has(volume) ? ({ id: volume, sizeLbas: 8 } as Volume) : null), () => Promise.resolve(), openSecret);
  const put = (key: string, value: unknown): void => access.mapChanged(map.changed([{ key, value: value === null ? null : JSON.stringify(value), revision: 1 }], 1));
  put("cluster", { ...CLUSTER, id });
  put("host/esx1", { name: "esx1", iqns: ["iqn.1998-01.com.VMware:ESX1"], chap: { user: "esx1", secret: "secret" } });
  put("server/b", { name: "b", address: "127.0.0.2", portalPort: 3260, apiPort: 443, portalGroupTag: 2 });
  put("server/a", { name: "a", address: "127.0.0.1", portalPort: 3261, apiPort: 443, portalGroupTag: 1 });
  for (const volume of [11, 12]) put(`volume/${volume}`, { id: volume, name: `v${volume}`, sizeBytes: 4096, factor: 1, lineage: volume, createdAtMs: 0 });
  put("mapping/esx1/0", { volume: 11, host: "esx1", lun: 0, readOnly: false });
  put("mapping/esx1/7", { volume: 12, host: "esx1", lun: 7, readOnly: true });
  return { access, put };
}

test("an initiator is known by its name in any case, and nobody else is", () => {
  const { access } = cluster();
  expect(access.host("iqn.1998-01.com.vmware:esx1")).toEqual({ name: "esx1", chap: { user: "esx1", secret: "secret" } });
  expect(access.host("IQN.1998-01.COM.VMWARE:ESX1")?.name).toBe("esx1");
  expect(access.host("iqn.1998-01.com.vmware:esx2")).toBeNull();
  expect(access.targetName).toBe(CLUSTER.targetName);
});

test("every server's portal is listed with its own group tag", () => {
  expect(cluster().access.portals()).toEqual([
    { address: "127.0.0.1", port: 3261, groupTag: 1 },
    { address: "127.0.0.2", port: 3260, groupTag: 2 },
  ]);
});

test("a host sees the volumes mapped to it, and a LUN goes with its mapping or its volume", () => {
  const { access, put } = cluster();
  expect([...access.luns("esx1")].map(([lun, unit]) => [lun, unit.volume.id, unit.name, unit.readOnly])).toEqual([[0, 11 as VolumeId, "v11", false], [7, 12 as VolumeId, "v12", true]]);
  expect(access.luns("esx2").size).toBe(0);
  put("mapping/esx1/0", null);
  expect([...access.luns("esx1").keys()]).toEqual([7]);
  put("volume/12", null);
  expect(access.luns("esx1").size).toBe(0);
});

test("a volume's identity is the same through every portal, and of no other volume or cluster", () => {
  const unit = (c: ReturnType<typeof cluster>, lun: number) => c.access.luns("esx1").get(lun);
  const [here, there, other] = [cluster(), cluster(), cluster("f".repeat(32))];
  const { naa, serial } = unit(here, 0) ?? { naa: "", serial: "" };
  expect(naa).toMatch(/^6025653[0-9a-f]{25}$/);
  expect([unit(there, 0)?.naa, unit(there, 0)?.serial]).toEqual([naa, serial]);
  expect(new Set([naa, unit(here, 7)?.naa, unit(other, 0)?.naa]).size).toBe(3);
  expect(new Set([serial, unit(here, 7)?.serial, unit(other, 0)?.serial]).size).toBe(3);
});

test("listeners hear of what they can ask for, and of nothing else", () => {
  const { access, put } = cluster();
  let heard = 0;
  const end = access.onChange(() => void (heard += 1));
  put("pool/1", { factor: 1, groupCount: 4 });
  expect(heard).toBe(0);
  put("host/esx1", { name: "esx1", iqns: ["iqn.new"], chap: null });
  expect(heard).toBe(1);
  expect(access.host("iqn.new")?.name).toBe("esx1");
  expect(access.host("iqn.1998-01.com.vmware:esx1")).toBeNull();
  end();
  put("server/b", null);
  expect(heard).toBe(1);
});

test("a sealed secret is opened for its host alone", () => {
  const { access, put } = cluster();
  const sealed = sealer.seal("a long secret", SECRET_OF.chap("esx1"));
  put("host/esx1", { name: "esx1", iqns: ["iqn.1998-01.com.vmware:esx1"], chap: { user: "u", secret: sealed } });
  put("host/esx2", { name: "esx2", iqns: ["iqn.1998-01.com.vmware:esx2"], chap: { user: "u", secret: sealed } });
  expect(access.host("iqn.1998-01.com.vmware:esx1")?.chap).toEqual({ user: "u", secret: "a long secret" });
  expect(access.host("iqn.1998-01.com.vmware:esx2")?.chap).toEqual({ user: "u", secret: "nobody knows" });
});
