/** What the app says, in the user's language: plain catalogues, and a small formatter. */

import { create } from "zustand";
import { persist } from "zustand/middleware";

import en from "./en.json" with { type: "json" };

export type Key = keyof typeof en;
export type Values = Record<string, string | number>;

/** A sentence, or one for one thing and one for several. Every language has every key. */
type Sentence = string | { one: string; other: string };
type Catalogue = Record<Key, Sentence>;

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGUES: Record<Language, () => Promise<Catalogue>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import("./de.json")).default,
  es: async () => (await import("./es.json")).default,
};

interface Speaking {
  language: Language;
  isChosen: boolean;
  catalogue: Catalogue;
  speak: (language: Language) => Promise<void>;
  start: () => Promise<void>;
}

export const useSpeaking = create<Speaking>()(
  persist(
    (set, get) => ({
      language: "en",
      isChosen: false,
      catalogue: en,
      speak: async (language) => {
        set({ catalogue: await CATALOGUES[language](), language, isChosen: true });
      },
      /** Whoever has chosen nothing hears the first language of the browser that we speak. */
      start: async () => {
        const language = get().isChosen ? get().language : firstSpoken(navigator.languages);
        set({ catalogue: await CATALOGUES[language](), language });
      },
    }),
    {
      name: "rekindle-language",
      partialize: ({ language, isChosen }) => ({ language, isChosen }),
      // The export is in English; another language comes once the page lives.
      skipHydration: true,
    },
  ),
);

export function firstSpoken(wanted: readonly string[]): Language {
  const spoken = wanted.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((tag): tag is Language => tag in LANGUAGES) ?? "en";
}

/** Put values into a sentence; `count` also decides between one and several. */
export function say(sentence: Sentence, values: Values, language: string): string {
  const { count } = values;
  const chosen =
    typeof sentence === "string"
      ? sentence
      : new Intl.PluralRules(language).select(Number(count ?? 0)) === "one"
        ? sentence.one
        : sentence.other;
  return chosen.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}

export interface Words {
  (key: Key, values?: Values): string;
  language: Language;
  has: (key: string) => key is Key;
  date: (moment: string | Date, style?: Intl.DateTimeFormatOptions) => string;
  money: (cents: number, currency: string) => string;
}

/** Give the words of the language that is spoken now. */
export function useWords(): Words {
  const { catalogue, language } = useSpeaking();
  const words = (key: Key, values: Values = {}) => say(catalogue[key], values, language);
  return Object.assign(words, {
    language,
    has: (key: string): key is Key => key in catalogue,
    date: (moment: string | Date, style: Intl.DateTimeFormatOptions = { dateStyle: "long" }) =>
      new Intl.DateTimeFormat(language, style).format(new Date(moment)),
    money: (cents: number, currency: string) =>
      new Intl.NumberFormat(language, { style: "currency", currency }).format(cents / 100),
  });
}
