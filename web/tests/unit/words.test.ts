import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { firstSpoken, LANGUAGES, say } from "../../src/words/index.ts";

type Sentence = string | { one: string; other: string };
type Catalogue = Record<string, Sentence>;

function catalogue(language: string): Catalogue {
  const file = new URL(`../../src/words/${language}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as Catalogue;
}

function gaps(sentence: Sentence | undefined): string[] {
  const text = typeof sentence === "string" ? sentence : (sentence?.other ?? "");
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();
}

test("values are put in, numbers in the way of the language", () => {
  assert.equal(say("{name}: {count}", { name: "a", count: 1234.5 }, "de"), "a: 1.234,5");
});

test("one thing and several are said differently", () => {
  const credits = { one: "{count} credit", other: "{count} credits" };
  assert.deepEqual(
    [0, 1, 2].map((count) => say(credits, { count }, "en")),
    ["0 credits", "1 credit", "2 credits"],
  );
});

test("the first language that we speak is spoken", () => {
  assert.equal(firstSpoken(["fr-CH", "de-CH", "en"]), "de");
  assert.equal(firstSpoken(["fr"]), "en");
});

const english = catalogue("en");
for (const language of Object.keys(LANGUAGES)) {
  test(`${language} says all that English says, with the same gaps`, () => {
    const spoken = catalogue(language);
    assert.deepEqual(Object.keys(spoken).sort(), Object.keys(english).sort());
    for (const [key, sentence] of Object.entries(english)) {
      assert.equal(typeof spoken[key], typeof sentence, key);
      if (language !== "en") assert.deepEqual(gaps(spoken[key]), gaps(sentence), key);
    }
  });
}
