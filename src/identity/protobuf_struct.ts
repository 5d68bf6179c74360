/** Claims as messages of protocol buffers: google.protobuf.Struct (struct.proto). */
import { concat } from "../linux/bytes.ts";
import { message } from "./protobuf.ts";

/** Encodes an object of JSON. */
export function structMessage(fields: object): Uint8Array<ArrayBuffer> {
  return message(
    ...Object.entries(fields).filter(([, value]) => value !== undefined).map((
      [name, value]: [string, unknown],
    ) => [1, message([1, name], [2, valueMessage(value)])] as const),
  );
}

/** google.protobuf.Value: the number of the field says of which kind it is. */
function valueMessage(value: unknown): Uint8Array<ArrayBuffer> {
  if (typeof value === "string") return message([3, value]);
  if (typeof value === "boolean") return Uint8Array.of(4 << 3, value ? 1 : 0);
  if (typeof value === "number") {
    return concat(Uint8Array.of(2 << 3 | 1), new Uint8Array(Float64Array.of(value).buffer));
  }
  if (Array.isArray(value)) {
    return message([6, message(...value.map((each) => [1, valueMessage(each)] as const))]);
  }
  if (typeof value === "object" && value !== null) return message([5, structMessage(value)]);
  return Uint8Array.of(1 << 3, 0);
}
