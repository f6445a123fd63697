// BERT's words in pieces of a vocabulary, as edgekit's wordpiece.py does it.

const PAD = 0;
const LONGEST_WORD = 100;
const IDEOGRAPHS =
  String.raw`\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}` +
  String.raw`\u{2f800}-\u{2fa1f}`;
const WHITE = /[\t\n\r\p{Zs}\p{Zl}\p{Zp}]/gu;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu;
const ACCENTS = /\p{Mn}/gu;
const WORDS = new RegExp(String.raw`[\p{P}$+<=>^\x60|~${IDEOGRAPHS}]`, "gu");

/** The words of a text, before they are cut into pieces. */
export function wordsOf(text, cased) {
  const plain = cased ? text : text.normalize("NFD").replace(ACCENTS, "");
  const cut = plain.replace(WHITE, " ").replace(UNSEEN, "").replace(WORDS, " $& ");
  const small = cased ? cut : cut.replaceAll("Σ", "σ").toLowerCase();
  return small.split(" ").filter(Boolean);
}

/** A function from a text to Int32Array [length]: [CLS], the pieces, [SEP], and padding. */
export function wordpiece({vocabulary, cased}, length) {
  const known = new Map(vocabulary.split("\n").map((piece, place) => [piece, place]));
  const [unknown, first, last] = ["[UNK]", "[CLS]", "[SEP]"].map((name) => known.get(name));

  function piecesOf(word) {
    const letters = Array.from(word);
    const found = [];
    let start = 0;
    while (start < letters.length && letters.length <= LONGEST_WORD) {
      let end = letters.length;
      const piece = () => (start ? "##" : "") + letters.slice(start, end).join("");
      while (end > start && !known.has(piece())) end--;
      if (end === start) break;
      found.push(known.get(piece()));
      start = end;
    }
    return start === letters.length ? found : [unknown];
  }

  return (text) => {
    const pieces = wordsOf(text, cased).flatMap(piecesOf);
    const ids = new Int32Array(length).fill(PAD);
    ids.set([first, ...pieces.slice(0, length - 2), last]);
    return ids;
  };
}
