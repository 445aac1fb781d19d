import type { Platform } from "../platform/platform.ts";
import { devicePlaces } from "./devices.ts";
import { directoryPlaces, type DrivePlaces } from "./places.ts";

/** Devices by their names in /dev, anything else as a directory. */
export function realPlaces(platform: Platform, stateDirectory: string, kinds?: readonly string[]): DrivePlaces {
  const devices = devicePlaces(platform, stateDirectory, kinds);
  const directories = directoryPlaces(platform);
  const of = (place: string): DrivePlaces => (place.startsWith("/dev/") ? devices : directories);
  return {
    unfit: (place) => of(place).unfit(place),
    format: (place, drive) => of(place).format(place, drive),
    release: (place) => of(place).release(place),
  };
}
