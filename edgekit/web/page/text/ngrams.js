// Words, their neighbours and their pieces, hashed into the rows of one table, as edgekit's ngrams.py does it.

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;
const PIECE = "\u0001";

// Of U+00C0 to U+017F: small, and without accents where the letter is then one of a to z.
const LATIN =
  "aaaaaaæceeeeiiiiðnooooo×øuuuuyþßaaaaaaæceeeeiiiiðnooooo÷øuuuuyþy" +
  "aaaaaaccccccccddđđeeeeeeeeeegggggggghhħħiiiiiiiiiıĳĳjjkkĸllllllŀ" +
  "ŀłłnnnnnnŉŋŋooooooœœrrrrrrssssssssttttŧŧuuuuuuuuuuuuwwyyyzzzzzzſ";
// First, last, and how much further the small form of each is.
const CAPITALS = [
  [0x41, 0x5a, 32],
  [0x388, 0x38a, 37],
  [0x391, 0x3ab, 32],
  [0x400, 0x40f, 80],
  [0x410, 0x42f, 32],
  [0x531, 0x556, 48],
];
// Every second one is a capital and followed by its small form.
const PAIRS = [[0x460, 0x481], [0x48a, 0x4bf], [0x4d0, 0x52f], [0x1e00, 0x1e95], [0x1ea0, 0x1eff]];
const OTHERS = [
  [0x386, 0x3ac], [0x38c, 0x3cc], [0x38e, 0x3cd], [0x38f, 0x3ce], [0x3c2, 0x3c3], [0x60, 0x27], [0x2018, 0x27],
  [0x2019, 0x27],
];
// Accents of their own, joiners and variants: left out.
const UNSEEN = [
  [0xad, 0xad], [0x300, 0x36f], [0x200b, 0x200f], [0x2060, 0x2064], [0xfe00, 0xfe0f], [0xfeff, 0xfeff],
];
const SURROGATES = [0xd800, 0xdfff];
const FULL_WIDTH = [0xff01, 0xff5e, 0xfee0];

const SPACES = String.raw`\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028-\u202f\u205f-\u206f\u3000`;
// Each is a word: punctuation, signs, ideographs and emoji.
const SIGNS =
  String.raw`!-\/:-@\[-\x60\{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2010-\u2027\u2030-\u205e` +
  String.raw`\u20a0-\u20cf\u2100-\u2bff\u3001-\u303f\u30fb\u3400-\u9fff\uf900-\ufaff\ufe10-\ufe6f\uff5f-\uff65` +
  String.raw`\u{1f000}-\u{3ffff}`;
const LETTER = `[^${SPACES}${SIGNS}]`;
// English short forms are words of their own, as corpora cut them: do n't, it 's.
const NOT = `n't(?!${LETTER})`;
const WORD = new RegExp(`${NOT}|(?:(?!${NOT})${LETTER})+|'(?:s|m|d|ll|re|ve)(?!${LETTER})|[${SIGNS}]`, "gu");

const FOLDED = table();

/** What each code point is folded to, where that is another one. */
function table() {
  const folded = new Map();
  Array.from(LATIN).forEach((letter, place) => folded.set(0xc0 + place, letter.codePointAt(0)));
  for (const [first, last, further] of CAPITALS) {
    for (let code = first; code <= last; code++) folded.set(code, code + further);
  }
  for (const [first, last] of PAIRS) for (let code = first; code <= last; code += 2) folded.set(code, code + 1);
  for (const [code, to] of OTHERS) folded.set(code, to);
  const [narrow, wide, back] = FULL_WIDTH;
  for (let code = narrow; code <= wide; code++) folded.set(code, folded.get(code - back) ?? code - back);
  for (const [code, to] of folded) folded.set(code, String.fromCodePoint(to));
  for (const [first, last] of UNSEEN) for (let code = first; code <= last; code++) folded.set(code, "");
  for (let code = SURROGATES[0]; code <= SURROGATES[1]; code++) folded.set(code, "\ufffd");
  return folded;
}

/** The words and signs of a text, folded. */
export function wordsOf(text) {
  return Array.from(text, (char) => FOLDED.get(char.codePointAt(0)) ?? char).join("").match(WORD) ?? [];
}

const utf8 = new TextEncoder();

function fnv1a(bytes, start = OFFSET) {
  return bytes.reduce((value, byte) => Math.imul(value ^ byte, PRIME), start);
}

/** So many pieces of a word: all of the first size in their order, then all of the next; evenly chosen or repeated. */
function piecesOf(word, chars, count) {
  const marked = Array.from(`<${word}>`);
  const found = chars.flatMap((size) =>
    Array.from({length: Math.max(0, marked.length - size + 1)}, (_, i) => marked.slice(i, i + size).join("")));
  if (!found.length) found.push(marked.join(""));
  return Array.from({length: count}, (_, place) => found[Math.floor((place * found.length) / count)]);
}

/** A function from a text to Int32Array [length]: word after word, each with its ids; what ends early begins again. */
export function ngrams({buckets, words, chars, per_word: perWord}, length) {
  const places = length / perWord;
  const idOf = (hash) => 1 + ((hash >>> 0) % (buckets - 1));
  return (text) => {
    const ids = new Int32Array(length);
    const before = new Int32Array(words);
    const found = wordsOf(text).slice(0, places);
    found.forEach((word, place) => {
      // Hashes of this word, of it and the one before, ..., from those that ended at the word before.
      const own = fnv1a(utf8.encode(word));
      const rows = Array.from({length: words}, (_, i) => (i ? fnv1a(bytesOf(before[i - 1]), own) : own));
      before.set(rows);
      const pieces = piecesOf(word, chars, perWord - words).map((piece) => fnv1a(utf8.encode(PIECE + piece)));
      ids.set([...rows, ...pieces].map(idOf), place * perWord);
    });
    for (let i = found.length * perWord; found.length && i < length; i++) ids[i] = ids[i - found.length * perWord];
    return ids;
  };
}

/** The four bytes of a hash, the lowest first. */
function bytesOf(hash) {
  return [0, 8, 16, 24].map((shift) => (hash >>> shift) & 255);
}
