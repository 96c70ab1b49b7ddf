// Expressions that are nearly right: tokens of others dropped, doubled, swapped and replaced.
import * as lit from './literals.mjs';

// Raw texts end at the first quote, others at the first that no backslash stands before.
const TOKEN = new RegExp(['\\s+', '//[^\\n]*',
  '(?:[rR][bB]?|[bB][rR])(?:"""[^]*?"""|\'\'\'[^]*?\'\'\'|"[^"\\n]*"|\'[^\'\\n]*\')',
  '[bB]?(?:"""(?:\\\\[^]|[^\\\\])*?"""|\'\'\'(?:\\\\[^]|[^\\\\])*?\'\'\')',
  '[bB]?(?:"(?:[^"\\\\\\n]|\\\\.)*"|\'(?:[^\'\\\\\\n]|\\\\.)*\')', '0[xX][0-9a-fA-F]+[uU]?',
  '(?:\\d+(?:\\.\\d+)?|\\.\\d+)(?:[eE][-+]?\\d+)?[uU]?', '[A-Za-z_]\\w*', '`[^`]*`',
  '&&|\\|\\||[=!<>]=', '[^]'].join('|'), 'g');

const OPERATORS = ['+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', '&&', '||', ' in ',
  '.', ',', '?',
  ':', '!', '[', ']', '(', ')', '{', '}'];
const WORDS = ['in', 'true', 'null', 'as', 'if', 'has', 'size', 'type', 'dyn', 'int', '_', '__x',
  'x', '.x',
  '`a`', 'var', 'map', 'all', 'package'];
const LITERALS = ['0', '00', '1u', '-1', '1.', '.5', '1e', '1e5', '0x', '0xFFu', '1.5u', '"', "''",
  'b"a"',
  'r"\\"', '"\\q"', '"\\x4"', '"\\u00e9"', '"\\ud800"', '"\\U0010ffff"', '"\\U00110000"',
    'b"\\377"', 'b"\\u0041"',
  '9223372036854775807', '9223372036854775808', '-9223372036854775808', '18446744073709551615u',
  '18446744073709551616u', '// x', '"""a\n"b"""', 'B\'\\303\\277\'', '"\\400"', '1 .5', '1_000'];

export const tokensOf = (text) => text.match(TOKEN) ?? [];

export function mutate(r, text, other) {
  const tokens = tokensOf(text);
  for (let n = r.weighted([[70, 1], [20, 2], [10, 4]]); n > 0; n--) {
    const at = r.below(tokens.length + 1);
    const to = r.below(tokens.length + 1);
    r.weighted([
      [14, () => tokens.splice(at, 1)],
      [8, () => tokens.splice(at, 0, tokens[to] ?? '')],
      [8, () => { [tokens[at], tokens[to]] = [tokens[to] ?? '', tokens[at] ?? '']; }],
      [12, () => tokens.splice(at, 1, r.pick(OPERATORS))],
      [6, () => tokens.splice(at, 0, r.pick(OPERATORS))],
      [8, () => tokens.splice(at, 1, r.pick(WORDS))],
      [10, () => tokens.splice(at, 1, r.pick(LITERALS))],
      [8, () => tokens.splice(at, 1, r.chance(50) ? lit.intText(r, lit.intOf(r))
        : lit.stringText(r, lit.textOf(r)))],
      [6, () => {
        const more = tokensOf(other);
        const from = r.below(more.length + 1);
        tokens.splice(at, r.below(3), ...more.slice(from, from + 1 + r.below(6)));
      }],
      [4, () => {
        const token = tokens[at] ?? '';
        const cut = r.below(token.length + 1);
        tokens[at] = token.slice(0, cut) + r.pick(['', '.', '"', '\\', '0', 'u', '_', '(', ' ',
          '\u00e9', '\n'])
          + token.slice(cut + r.below(2));
      }],
    ])();
  }
  return tokens.join('');
}

// What the oracle's parser has not: optionals' syntax, macros with two variables and of extensions.
const BEYOND = new RegExp(['\\.\\s*\\?', '\\[\\s*\\?', '[{,]\\s*\\?', '\\bcel\\s*\\.\\s*bind\\b',
  '\\b(optMap|optFlatMap|transformList|transformMap|transformMapEntry|orValue|or)\\b',
  '\\bzz\\w'].join('|'));
const TWO = /\.\s*(all|exists|exists_one|existsOne)\s*\(\s*`?\w+`?\s*,\s*`?\w+`?\s*,/;

export const isBeyondOracle = (text) => BEYOND.test(text) || TWO.test(text);
