// Compares brain/expr with the oracle, case by case: `tools/prove cel_diff` starts some of these.
//
// usage: node worker.mjs JSON   with {eval, first, count, part, parts, seconds, corpus, failures}
// Every expression has a number, which is its seed; of the numbers from `first` this process takes
// every parts-th block. Lines of JSON on stdout: {figures} now and then, {disagreement} each.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { faultyValue } from './faults.mjs';
import { Generator, VARIABLES, loosen, namesIn, show, valueOf } from './generate.mjs';
import { isBeyondOracle, mutate, tokensOf } from './mutate.mjs';
import { Oracle } from './oracle.mjs';
import { Random } from './random.mjs';
import { pack, packedText, valueText } from './values.mjs';

const BLOCK = 250;
const SETS = 5; // bindings that an expression with variables is evaluated with
const TEXT_BYTES_MAX = 4000;
const ORACLE_TEXT_MAX = 60000;
const SHRINK_ROUNDS_MAX = 60;
const CANDIDATES_MAX = 400;

const options = JSON.parse(process.argv[2]);
const corpus = options.corpus ? JSON.parse(readFileSync(options.corpus, 'utf8')) : [];

// --- our side ---

class Ours {
  constructor(path) {
    this.child = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.rest = '';
    this.waiting = null;
    this.child.stdout.setEncoding('utf8');
    this.child.stdout.on('data', (chunk) => this.take(chunk));
    this.child.on('exit', (code, signal) => {
      this.ended = `cel_eval ended: ${signal ?? code}`;
      this.waiting?.fail(new Error(this.ended));
      this.waiting = null;
    });
    this.child.stdin.on('error', () => {});
  }

  take(chunk) {
    const lines = (this.rest + chunk).split('\n');
    this.rest = lines.pop();
    this.waiting.lines.push(...lines);
    if (this.waiting.lines.length >= this.waiting.count) {
      const { done, lines: all } = this.waiting;
      this.waiting = null;
      done(all.map((line) => JSON.parse(line)));
    }
  }

  // The answers to some questions, in order; a question with `sets` has one for each.
  ask(questions) {
    if (this.ended) {
      return Promise.reject(new Error(this.ended));
    }
    const count = questions.reduce((sum, q) => sum + q.sets.length, 0);
    return new Promise((done, fail) => {
      this.waiting = { count, lines: [], done, fail };
      this.child.stdin.write(`${questions.map((q) => JSON.stringify(q)).join('\n')}\n\n`);
    });
  }

  end() {
    this.child.stdin.end();
  }
}

const hexText = (text) => Buffer.from(text, 'utf8').toString('hex');

// --- cases ---

// A cut may leave half of a pair of UTF-16 units, which no file can hold.
const wellFormed = (text) => Buffer.from(text, 'utf8').toString('utf8');

// {text, oracleText, names, types, sets, node, isWrong, isMutant, container}
function caseOf(seed) {
  const r = new Random(seed);
  const kind = r.weighted([[72, 'grown'], [corpus.length > 0 ? 14 : 0, 'corpus'], [14, 'mutant']]);
  if (kind === 'corpus') {
    const { expr, container, vars } = r.pick(corpus);
    const text = r.chance(5) ? expr : wellFormed(mutate(r, expr, r.pick(corpus).expr));
    return { text, oracleText: text, isMutant: true, container, names: vars.map((v) => v.name),
      types: vars.map((v) => v.type), sets: [vars.map((v) => v.value && readValue(v.value))] };
  }
  const g = new Generator(r);
  const node = g.expression(r.weighted([[25, 1], [30, 2], [25, 3], [15, 4], [5, 5]]));
  const made = { node, isWrong: g.isWrong, container: '' };
  if (kind === 'mutant') {
    made.text = show(node, false);
    made.isMutant = true;
    made.node = null;
    made.text = wellFormed(mutate(r, made.text, show(new Generator(r).expression(2), false)));
    made.oracleText = made.text;
  } else {
    write(made);
    if (r.chance(20) && made.text === made.oracleText) {
      made.node = loosen(node, r);
      made.isWrong = true;
      write(made);
    }
  }
  bind(made, r);
  return made;
}

function write(made) {
  made.text = show(made.node, false);
  made.oracleText = show(made.node, true, new Map());
}

function bind(made, r) {
  made.names = namesIn(made.text);
  made.types = made.names.map((name) => VARIABLES.get(name).name);
  made.sets = Array.from({ length: made.names.length > 0 ? SETS : 1 }, () =>
    made.names.map((name) =>
    (r.chance(98) ? valueOf(r, VARIABLES.get(name)) : undefined)));
}

// Bound values of the conformance tests, as cel.py packs them.
function readValue(hex) {
  const raw = Buffer.from(hex, 'hex');
  let at = 0;
  const read = () => {
    const head = raw[at++];
    const size = () => { at += 4; return raw.readUInt32BE(at - 4); };
    const take = (n) => { at += n; return raw.subarray(at - n, at); };
    const items = (n) => Array.from({ length: n }, read);
    switch (head) {
      case 0xc0: return { kind: 'null', content: null };
      case 0xc2: return { kind: 'bool', content: false };
      case 0xc3: return { kind: 'bool', content: true };
      case 0xd3: return { kind: 'int', content: take(8).readBigInt64BE(0) };
      case 0xcb: return { kind: 'double', content: take(8).readDoubleBE(0) };
      case 0xd7: return { kind: 'uint', content: take(9).readBigUInt64BE(1) };
      case 0xdb: return { kind: 'string', content: take(size()).toString('utf8') };
      case 0xc6: return { kind: 'bytes', content: take(size()) };
      case 0xdd: return { kind: 'list', content: items(size()) };
      case 0xdf: return { kind: 'map', content: Array.from({ length: size() }, () => [read(),
        read()]) };
      case 0xc7: {
        const body = take(14);
        return { kind: body[1] === 3 ? 'time' : 'duration',
          content: body.readBigInt64BE(2) * 1000000n + BigInt(body.readUInt32BE(10)) };
      }
      default: throw new Error(`a bound value of an unknown kind: ${head}`);
    }
  };
  return read();
}

function questionsOf(made) {
  const common = { expr: hexText(made.text), container: made.container,
    vars: made.names.map((name, i) => ({ name, type: made.types[i] })),
    sets: made.sets.map((set) => set.map((v) => (v === undefined ? ''
      : pack(v).toString('hex')))) };
  // the second way is the one that playbooks go
  return [{ ...common, check: false, fold: false }, { ...common, check: true, plain: true }];
}

// --- comparing ---

const SOUND = 'a sound expression is refused';
const CRASH = 'cel_eval crashes';

// What brain/expr refuses by its own limits, where CEL has none. Further what CEL's checker
// refuses and its parser takes: a macro with other arguments is a function, "!-1" has a literal.
const LIMIT = new RegExp(['\\[B2120\\]', 'not supported yet', 'wants a name here, and',
  'has\\(\\) w', "'!' and '-' in a row",
  '(all|exists|exists_one|existsOne|map|filter|transform\\w+|bind|opt\\w*Map)\\(\\) with'].join('|'));
const LIMITS = new Set(['too many steps', 'memory limit reached', 'nested too deeply']);

function outcome(answer) {
  return answer.error === undefined
    ? packedText({ raw: Buffer.from(answer.value, 'hex'), at: 0 }) : 'error';
}

// What is wrong with one evaluation: {kind, ours, theirs}, or null; `counts` is told what it was.
function judge(made, unchecked, checked, theirs, counts) {
  const ours = outcome(unchecked);
  const limit = [unchecked, checked].find((a) => a.error !== undefined &&
    (LIMITS.has(a.error) || (a.error === 'compile' && LIMIT.test(a.text))));
  if (limit) {
    counts.limited++;
    return null;
  }
  if (checked.error !== 'compile' && outcome(checked) !== ours) {
    return { kind: 'checked and unchecked differ', ours: shown(checked), theirs: shown(unchecked) };
  }
  // what is cut while shrinking may leave a variable of a macro without its macro
  const isCut = made.isCut && /B2107/.test(checked.text);
  if (checked.error === 'compile' && unchecked.error !== 'compile' && made.node && !made.isWrong &&
      !isCut) {
    return { kind: SOUND, ours: shown(checked), theirs: 'it is well-typed' };
  }
  if (theirs === null) {
    counts.alone++;
    return null;
  }
  const them = theirs.text ?? 'error';
  if (theirs.refused !== undefined && unchecked.error !== 'compile') {
    return { kind: 'accepted', ours: shown(unchecked), theirs: `refused: ${theirs.refused}` };
  }
  if (them !== ours) {
    if (faultyValue(made, mended)) {
      counts.excused++;
      return null;
    }
    return { kind: 'value', ours: shown(unchecked), theirs: theirs.text ?? `error: ${
      theirs.error ?? theirs.refused}` };
  }
  counts[ours === 'error' ? 'errors' : 'values']++;
  return null;
}

function shown(answer) {
  return answer.error !== undefined ? `${answer.error}: ${answer.text.trim()}`
    : `${outcome(answer)} (${answer.type})`;
}

// --- one batch ---

const counts = { expressions: 0, cases: 0, values: 0, errors: 0, limited: 0, alone: 0, excused: 0,
  mutants: 0,
  disagreements: 0 };
const mended = {};
const oracle = new Oracle(mended);
let ours = new Ours(options.eval);

function theirAnswers(made) {
  if ((made.isMutant && isBeyondOracle(made.text)) || made.oracleText.length > ORACLE_TEXT_MAX) {
    return made.sets.map(() => null);
  }
  const run = oracle.compile(made.oracleText, made.container);
  if (run.fault) {
    return made.sets.map(() => null);
  }
  return made.sets.map((set) => (run.refused !== undefined ? run
    : run(oracle.bindings(made.names, set))));
}

// The disagreements of some cases: [{made, set, found}].
async function compare(all, told) {
  if (all.length === 0) {
    return [];
  }
  const asked = ours.ask(all.flatMap(questionsOf));
  asked.catch(() => {}); // awaited below
  const theirs = all.map(theirAnswers);
  const answers = await asked;
  const found = [];
  let at = 0;
  all.forEach((made, i) => {
    const n = made.sets.length;
    for (let k = 0; k < n; k++) {
      told.cases++;
      const wrong = judge(made, answers[at + k], answers[at + n + k], theirs[i][k], told);
      if (wrong) {
        found.push({ made, set: k, found: wrong });
        break;
      }
    }
    at += 2 * n;
  });
  return found;
}

// --- shrinking ---

const SIMPLE = { bool: ['true', 'false'], int: ['0', '1'], uint: ['0u', '1u'], double: ['0.0',
  '1.0'],
  string: ['""', '"a"'], bytes: ['b""'], null: ['null'], list: ['[]'], map: ['{}'],
  time: ['timestamp(0)'], duration: ['duration("0s")'], optional: ['optional.none()'],
    type: ['int'],
  dyn: ['dyn(1)'] };

// Smaller trees: a node gives way to one of its kids, to something simple, or loses a kid. Where
// types have to stay what they were, only to a kid of its own type.
function smallerTrees(root, keepsTypes) {
  const out = [];
  const visit = (node, put) => {
    out.push(...node.k.filter((kid) => (keepsTypes ? kid.t.name === node.t.name
      : kid.t.k !== 'pair')).map(put));
    if (node.k.length > 0) {
      out.push(...(SIMPLE[node.t.k] ?? []).map((p) => put({ t: node.t, p, k: [] })));
    }
    if (node.open !== undefined) {
      node.k.forEach((_, i) => out.push(put({ ...node, k: node.k.filter((__, j) => j !== i) })));
    }
    node.k.forEach((kid, i) => visit(kid, (with_) =>
      put({ ...node, k: node.k.map((old, j) => (j === i ? with_ : old)) })));
  };
  visit(root, (node) => node);
  return out;
}

function smallerTexts(text) {
  const tokens = tokensOf(text);
  const out = [];
  for (let size = Math.ceil(tokens.length / 2); size >= 1; size = size === 1 ? 0
    : Math.ceil(size / 2)) {
    for (let at = 0; at + size <= tokens.length; at++) {
      out.push([...tokens.slice(0, at), ...tokens.slice(at + size)].join(''));
    }
  }
  return [...new Set(out)];
}

function smaller({ made, set, found }) {
  const common = { ...made, sets: [made.sets[set]], isCut: true };
  const all = made.node ? smallerTrees(made.node, found.kind === SOUND).map((node) => {
    const one = { ...common, node };
    write(one);
    return one;
  }) : smallerTexts(made.text).map(wellFormed)
      .map((text) => ({ ...common, text, oracleText: text }));
  return all.filter((one) => one.text !== made.text && one.text.length <= made.text.length)
    .sort((a, b) => a.text.length - b.text.length).slice(0, CANDIDATES_MAX);
}

async function shrink(first) {
  let best = { ...first, made: { ...first.made, sets: [first.made.sets[first.set]] }, set: 0 };
  for (let round = 0; round < SHRINK_ROUNDS_MAX; round++) {
    const next = best.found.kind === CRASH ? await firstCrash(smaller(best))
      : (await compareSafely(smaller(best), { ...counts }))
        .find((f) => f.found.kind === best.found.kind || f.found.kind === CRASH);
    if (!next) {
      break;
    }
    best = next;
  }
  return best;
}

async function firstCrash(all) {
  for (const made of all) {
    const [found] = await compareSafely([made], { ...counts });
    if (found?.found.kind === CRASH) {
      return found;
    }
  }
  return undefined;
}

// --- the run ---

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

function tellDisagreement(seed, { made, set, found }) {
  const used = made.names.map((name, i) => [name, made.types[i], made.sets[set][i]])
    .filter(([name]) => made.text.includes(name));
  say({ disagreement: { seed, kind: found.kind, text: made.text,
    theirText: made.oracleText === made.text ? '' : made.oracleText, container: made.container,
    bindings: used.map(([name, type, value]) => `${name}: ${type} = ${
      value === undefined ? 'absent' : valueText(value)}`),
    ours: found.ours, theirs: found.theirs } });
}

async function runBlock(first, count) {
  const all = [];
  for (let seed = first; seed < first + count; seed++) {
    const made = caseOf(seed);
    made.seed = seed;
    if (Buffer.byteLength(made.text) <= TEXT_BYTES_MAX && !made.text.includes('\u0000')) {
      all.push(made);
      counts.mutants += made.isMutant ? 1 : 0;
    }
  }
  counts.expressions += all.length;
  for (const found of await compareSafely(all, counts)) {
    counts.disagreements++;
    tellDisagreement(found.made.seed, await shrink(found));
    if (counts.disagreements >= options.failures) {
      return;
    }
  }
}

// A crash of cel_eval is a disagreement too, of the one case in the batch that does it.
async function compareSafely(all, told) {
  try {
    return await compare(all, told);
  } catch (error) {
    if (!ours.ended) {
      throw error;
    }
    ours = new Ours(options.eval);
    if (all.length === 1) {
      return [{ made: all[0], set: 0, found: { kind: CRASH, ours: error.message, theirs: '' } }];
    }
    const half = all.length >> 1;
    return [...await compareSafely(all.slice(0, half), told),
      ...await compareSafely(all.slice(half), told)];
  }
}

const until = options.seconds === null ? Infinity : Date.now() + options.seconds * 1000;
for (let block = options.part; block * BLOCK < options.count; block += options.parts) {
  await runBlock(options.first + block * BLOCK, Math.min(BLOCK, options.count - block * BLOCK));
  say({ figures: counts, mended });
  if (Date.now() >= until || counts.disagreements >= options.failures) {
    break;
  }
}
ours.end();
