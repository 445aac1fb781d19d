import { describe, expect, test } from "bun:test";
import { Stage } from "./stage.ts";

describe("what a primary of a lower epoch has sent", () => {
  test("overwrites nothing where it arrives after another has taken over", () => {
    const stage = new Stage(2);
    stage.write(stage.place(0));
    stage.cluster.kill("c");
    stage.until(() => stage.members().length === 2);
    const old = stage.write(stage.place(0));
    // Its copy to c is on its way, and stays so for long.
    const { network } = stage.cluster;
    const { sent } = network;
    let held = false;
    network.sent = (from, message) => {
      if (message.type === "copy" && from.self.id === stage.cluster.host("a").id && !held) {
        held = true;
        stage.cluster.block("s1", "s3");
      }
      sent(from, message);
    };
    stage.cluster.start("c");
    stage.until(() => held);
    stage.cluster.stall("a");
    stage.until(() => stage.serving().join() === "b");
    stage.until(() => stage.members().join() === "b,c");
    const value = stage.write(stage.place(0));
    expect(value).not.toBe(old);
    stage.pass(100);
    stage.cluster.unblock("s1", "s3");
    stage.pass(100);
    stage.cluster.kill("b", true);
    stage.until(() => stage.serving().join() === "c");
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.start("b");
    stage.cluster.resume("a");
    stage.whole();
  });
});
