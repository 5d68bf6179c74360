import assert from "node:assert/strict";
import fc from "fast-check";
import { discoveryTags } from "./meta_tags.ts";

const TAG = '<meta name="ac-discovery" content="example.com https://example.com/{name}.{ext}">';
const FOUND = [
  { kind: "ac-discovery", prefix: "example.com", value: "https://example.com/{name}.{ext}" },
];

Deno.test("discoveryTags() reads tags of both kinds in their order", () => {
  const tags = discoveryTags(
    `<!DOCTYPE html><html><head><title>x</title>${TAG}
    <META NAME=ac-discovery-pubkeys CONTENT='example.com
      https://example.com/keys.gpg'></head><body></body></html>`,
  );
  assert.deepEqual(tags, [
    ...FOUND,
    { kind: "ac-discovery-pubkeys", prefix: "example.com", value: "https://example.com/keys.gpg" },
  ]);
});

Deno.test("discoveryTags() reads heads without html, head or end", () => {
  for (const html of [TAG, `<head>${TAG}`, `<title>x</title>${TAG}text`, `${TAG}<body>`]) {
    assert.deepEqual(discoveryTags(html), FOUND, html);
  }
});

Deno.test("discoveryTags() ignores what is not in the head", () => {
  for (
    const html of [
      `<body>${TAG}`,
      `text ${TAG}`,
      `<p>${TAG}`,
      `<!-- ${TAG} -->`,
      `<noscript>${TAG}</noscript>`,
      `<script>${TAG}</script>`,
      `<style>${TAG}</style>`,
      `<title>${TAG}</title>`,
      `<template>${TAG}</template>`,
      `<frameset>${TAG}`,
    ]
  ) assert.deepEqual(discoveryTags(html), [], html);
});

Deno.test("discoveryTags() ignores tags without a prefix and one value", () => {
  for (const content of ["", "example.com", "example.com https://a https://b"]) {
    assert.deepEqual(discoveryTags(`<meta name=ac-discovery content="${content}">`), []);
  }
  assert.deepEqual(discoveryTags("<meta name=ac-discovery>"), []);
  assert.deepEqual(discoveryTags('<meta name=viewport content="a b">'), []);
});

Deno.test("discoveryTags() decodes entities as a browser does", () => {
  const [tag] = discoveryTags('<meta name=ac-discovery content="a https://x/?a=1&amp;b=2">');
  assert.equal(tag?.value, "https://x/?a=1&b=2");
});

Deno.test("discoveryTags() does not build what nests without end", () => {
  for (const tag of ["<template>", "<b>", "<table><td>", "<svg>", "<meta>"]) {
    discoveryTags(`<head>${tag.repeat(150_000)}`);
  }
});

Deno.test("discoveryTags() survives any page", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...["<meta", "<head>", "</head>", "<body", "<!--", "-->", "<![CDATA[", "<template>", "</"],
      ...["<noscript>", "<svg>", "<math>", "name=", "content=", "'", '"', ">", "&#x0;", "\0", TAG],
      ...["<html", "<frameset>", "<select>", "<script>", "</script", "ac-discovery", "&notin"],
    ),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      for (const tag of discoveryTags(pieces.join(""))) assert.match(tag.kind, /^ac-discovery/);
    }),
    { numRuns: 10_000 },
  );
});
