/**
 * jq programs to syntax trees.
 *
 * @see https://jqlang.org/manual/v1.7/
 */
import type { BinaryOperator, Branch, Definition, Node, Pattern, PatternEntry } from "./ast.ts";
import { Lexer, syntaxError } from "./lex.ts";

/** Deeper programs are not written by people; they would exhaust the stack. */
const MAX_DEPTH = 300;

const NULL: Node = { kind: "literal", value: null };
const IDENTITY: Node = { kind: "identity" };

/** Left-associative operators, the ones that bind least first. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [["+", "-"], ["*", "/", "%"]];
const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">="]);
const UPDATES: ReadonlySet<string> = new Set(["=", "|=", "+=", "-=", "*=", "/=", "%=", "//="]);
/** Words that begin or end something and so are no functions. */
const KEYWORDS: ReadonlySet<string> = new Set(
  ("def if then elif else end as reduce foreach try catch label import include and or " +
    "__loc__").split(" "),
);

/**
 * Parses a program.
 *
 * @throws {FilterError} `FILTER_SYNTAX` whose message says what was expected, without the program.
 */
export function parseJq(program: string): Node {
  const parser = new Parser(program);
  return parser.program();
}

/** Parses definitions only, such as those of the built-in functions. */
export function parseDefinitions(source: string): readonly Definition[] {
  return new Parser(source).definitions();
}

class Parser {
  readonly #lexer: Lexer;
  #depth = 0;

  constructor(source: string) {
    this.#lexer = new Lexer(source);
  }

  program(): Node {
    // A program of blanks and comments is the identity, as for jq.
    const node = this.#lexer.peek().kind === "end" ? IDENTITY : this.#pipe();
    if (this.#lexer.peek().kind !== "end") throw this.#lexer.unexpected();
    return node;
  }

  definitions(): readonly Definition[] {
    const found: Definition[] = [];
    while (this.#lexer.takes("def")) found.push(this.#definition());
    return found;
  }

  /** @param comma Whether a comma belongs to it: not in the value of an object's member. */
  #pipe(comma = true): Node {
    const lexer = this.#lexer;
    if (++this.#depth > MAX_DEPTH) {
      throw syntaxError("the program nests too deeply", lexer.peek().at);
    }
    try {
      if (lexer.takes("def")) {
        const definition = this.#definition();
        // Definitions alone are the identity.
        const body = lexer.peek().kind === "end" ? IDENTITY : this.#pipe(comma);
        return { kind: "define", definition, body };
      }
      if (lexer.takes("label")) {
        const name = this.#variable();
        lexer.expect("|");
        return { kind: "label", name, body: this.#pipe(comma) };
      }
      if (lexer.sees("import") || lexer.sees("include")) {
        throw syntaxError("modules are not available in a filter", lexer.peek().at);
      }
      const left = comma ? this.#comma() : this.#alternative();
      if (!lexer.takes("|")) return left;
      return { kind: "pipe", left, right: this.#pipe(comma) };
    } finally {
      this.#depth--;
    }
  }

  #comma(): Node {
    let left = this.#alternative();
    while (this.#lexer.takes(",")) {
      left = { kind: "comma", left, right: this.#alternative() };
    }
    return left;
  }

  /** `//` is right-associative and binds less than an update. */
  #alternative(): Node {
    const left = this.#update();
    // `.a?//1` is `.a? // 1`, although `?//` is one symbol elsewhere.
    const isTried = this.#lexer.takes("?//");
    if (!isTried && !this.#lexer.takes("//")) return left;
    const tried: Node = isTried ? { kind: "try", body: left, handler: undefined } : left;
    return { kind: "alternative", left: tried, right: this.#alternative() };
  }

  #update(): Node {
    const left = this.#or();
    const { kind, text } = this.#lexer.peek();
    if (kind !== "symbol" || !isUpdate(text)) return left;
    this.#lexer.next();
    return { kind: "update", operator: text, left, right: this.#alternative() };
  }

  #or(): Node {
    let left = this.#and();
    while (this.#lexer.takes("or")) left = { kind: "or", left, right: this.#and() };
    return left;
  }

  #and(): Node {
    let left = this.#comparison();
    while (this.#lexer.takes("and")) left = { kind: "and", left, right: this.#comparison() };
    return left;
  }

  #comparison(): Node {
    const left = this.#arithmetic(0);
    const { kind, text } = this.#lexer.peek();
    if (kind !== "symbol" || !isComparison(text)) return left;
    this.#lexer.next();
    const right = this.#arithmetic(0);
    const behind = this.#lexer.peek();
    if (behind.kind === "symbol" && isComparison(behind.text)) throw this.#lexer.unexpected();
    return { kind: "binary", operator: text, left, right };
  }

  #arithmetic(level: number): Node {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#arithmetic(level + 1);
    for (;;) {
      const operator = operators.find((one) => this.#lexer.takes(one));
      if (operator === undefined) return left;
      left = { kind: "binary", operator, left, right: this.#arithmetic(level + 1) };
    }
  }

  #unary(): Node {
    if (!this.#lexer.takes("-")) return this.#postfix(true);
    const body = this.#unary();
    return body.kind === "literal" && typeof body.value === "number"
      ? { kind: "literal", value: -body.value }
      : { kind: "negate", body };
  }

  /** @param binds Whether `as` behind it begins a binding: not behind `reduce` and `foreach`. */
  #postfix(binds: boolean): Node {
    const lexer = this.#lexer;
    let node = this.#term();
    for (;;) {
      const token = lexer.peek();
      if (token.kind === "field") {
        lexer.next();
        node = index(node, token.text);
      } else if (lexer.takes(".")) {
        if (lexer.peek().kind === "string") {
          lexer.next();
          node = { kind: "index", target: node, key: this.#string(undefined) };
        } else if (!lexer.sees("[")) throw lexer.unexpected("a name");
      } else if (lexer.takes("[")) {
        node = this.#brackets(node);
      } else if (lexer.takes("?")) {
        node = { kind: "try", body: node, handler: undefined };
      } else if (binds && lexer.takes("as")) {
        const patterns = [this.#pattern()];
        while (lexer.takes("?//")) patterns.push(this.#pattern());
        lexer.expect("|");
        return { kind: "bind", source: node, patterns, body: this.#pipe() };
      } else return node;
    }
  }

  #brackets(target: Node): Node {
    const lexer = this.#lexer;
    if (lexer.takes("]")) return { kind: "iterate", target };
    if (lexer.takes(":")) return this.#slice(target, undefined);
    const key = this.#pipe();
    if (lexer.takes(":")) return this.#slice(target, key);
    lexer.expect("]");
    return { kind: "index", target, key };
  }

  #slice(target: Node, from: Node | undefined): Node {
    if (from !== undefined && this.#lexer.takes("]")) {
      return { kind: "slice", target, from, to: undefined };
    }
    const to = this.#pipe();
    this.#lexer.expect("]");
    return { kind: "slice", target, from, to };
  }

  #term(): Node {
    const lexer = this.#lexer;
    const token = lexer.peek();
    switch (token.kind) {
      case "number":
        lexer.next();
        return { kind: "literal", value: numberOf(token.text) };
      case "string":
        lexer.next();
        return this.#string(undefined);
      case "format":
        lexer.next();
        if (lexer.peek().kind !== "string") {
          return { kind: "format", name: token.text, at: token.at };
        }
        lexer.next();
        return this.#string(token.text);
      case "field":
        lexer.next();
        return index(IDENTITY, token.text);
      case "variable":
        lexer.next();
        return token.text === "__loc__" ? this.#location(token.at) : {
          kind: "variable",
          name: token.text,
          at: token.at,
        };
      case "word":
        return this.#word(token.text, token.at);
      case "symbol":
        return this.#symbol();
      case "end":
        throw lexer.unexpected("a filter");
    }
  }

  #symbol(): Node {
    const lexer = this.#lexer;
    if (lexer.takes("..")) return { kind: "recurse" };
    if (lexer.takes(".")) {
      if (lexer.peek().kind !== "string") return IDENTITY;
      lexer.next();
      return { kind: "index", target: IDENTITY, key: this.#string(undefined) };
    }
    if (lexer.takes("(")) {
      const node = this.#pipe();
      lexer.expect(")");
      return node;
    }
    if (lexer.takes("[")) {
      if (lexer.takes("]")) return { kind: "array", body: undefined };
      const body = this.#pipe();
      lexer.expect("]");
      return { kind: "array", body };
    }
    if (lexer.takes("{")) return this.#object();
    throw lexer.unexpected("a filter");
  }

  #word(text: string, at: number): Node {
    const lexer = this.#lexer;
    lexer.next();
    switch (text) {
      case "if":
        return this.#conditional();
      case "try": {
        const body = this.#postfix(false);
        const handler = lexer.takes("catch") ? this.#postfix(false) : undefined;
        return { kind: "try", body, handler };
      }
      case "reduce": {
        const { source, pattern, start, update } = this.#fold();
        lexer.expect(")");
        return { kind: "reduce", source, pattern, start, update };
      }
      case "foreach": {
        const fold = this.#fold();
        const extract = lexer.takes(";") ? this.#pipe() : undefined;
        lexer.expect(")");
        return { kind: "foreach", ...fold, extract };
      }
      case "def": {
        const definition = this.#definition();
        return { kind: "define", definition, body: this.#pipe() };
      }
      case "break":
        return { kind: "break", name: this.#variable(), at };
      case "null":
        return NULL;
      case "true":
      case "false":
        return { kind: "literal", value: text === "true" };
    }
    if (KEYWORDS.has(text)) throw syntaxError(`unexpected '${text}'`, at);
    const args: Node[] = [];
    if (lexer.takes("(")) {
      do args.push(this.#pipe()); while (lexer.takes(";"));
      lexer.expect(")");
    }
    return { kind: "call", name: text, args, at };
  }

  #conditional(): Node {
    const lexer = this.#lexer;
    const branches: Branch[] = [];
    do {
      const when = this.#pipe();
      lexer.expect("then");
      branches.push({ when, then: this.#pipe() });
    } while (lexer.takes("elif"));
    const otherwise = lexer.takes("else") ? this.#pipe() : undefined;
    lexer.expect("end");
    return { kind: "if", branches, otherwise };
  }

  #fold(): { source: Node; pattern: Pattern; start: Node; update: Node } {
    const lexer = this.#lexer;
    const source = this.#postfix(false);
    lexer.expect("as");
    const pattern = this.#pattern();
    lexer.expect("(");
    const start = this.#pipe();
    lexer.expect(";");
    return { source, pattern, start, update: this.#pipe() };
  }

  /** Behind `def`. */
  #definition(): Definition {
    const lexer = this.#lexer;
    const { kind, text: name } = lexer.next();
    if (kind !== "word" || KEYWORDS.has(name)) throw lexer.unexpected("the name of a function");
    const params: string[] = [];
    if (lexer.takes("(")) {
      do {
        const param = lexer.next();
        if (param.kind !== "word" && param.kind !== "variable") {
          throw syntaxError("expected the name of a parameter", param.at);
        }
        params.push(param.kind === "variable" ? `$${param.text}` : param.text);
      } while (lexer.takes(";"));
      lexer.expect(")");
    }
    lexer.expect(":");
    const body = this.#pipe();
    lexer.expect(";");
    return { name, params, body };
  }

  #variable(): string {
    const token = this.#lexer.next();
    if (token.kind !== "variable") throw syntaxError("expected a $name", token.at);
    return token.text;
  }

  #pattern(): Pattern {
    const lexer = this.#lexer;
    if (lexer.takes("[")) {
      const items: Pattern[] = [];
      do items.push(this.#pattern()); while (lexer.takes(","));
      lexer.expect("]");
      return { kind: "array", items };
    }
    if (!lexer.takes("{")) return { kind: "variable", name: this.#variable() };
    const entries: PatternEntry[] = [];
    do entries.push(this.#patternEntry()); while (lexer.takes(","));
    lexer.expect("}");
    return { kind: "object", entries };
  }

  #patternEntry(): PatternEntry {
    const lexer = this.#lexer;
    const token = lexer.peek();
    if (token.kind === "variable") {
      lexer.next();
      const value = lexer.takes(":") ? this.#pattern() : undefined;
      return { key: { kind: "literal", value: token.text }, variable: token.text, value };
    }
    const key = this.#key() ?? this.#unexpectedKey();
    lexer.expect(":");
    return { key, variable: undefined, value: this.#pattern() };
  }

  /** Behind `{`. */
  #object(): Node {
    const lexer = this.#lexer;
    const entries: (readonly [Node, Node])[] = [];
    while (!lexer.takes("}")) {
      entries.push(this.#entry());
      if (lexer.takes(",")) continue;
      lexer.expect("}");
      break;
    }
    return { kind: "object", entries };
  }

  #entry(): readonly [Node, Node] {
    const lexer = this.#lexer;
    const token = lexer.peek();
    if (token.kind === "variable") {
      lexer.next();
      const key: Node = { kind: "literal", value: token.text };
      // `{$name: 1}` is `{(name): 1}` since jq 1.7; `{$name}` is the variable itself.
      const value: Node = token.text === "__loc__"
        ? this.#location(token.at)
        : { kind: "variable", name: token.text, at: token.at };
      if (!lexer.takes(":")) return [key, value];
      return [value, this.#pipe(false)];
    }
    const isComputed = lexer.sees("(");
    const key = this.#key() ?? this.#unexpectedKey();
    if (lexer.takes(":")) return [key, this.#pipe(false)];
    if (isComputed) throw lexer.unexpected("':'");
    return [key, { kind: "index", target: IDENTITY, key }];
  }

  /** A name, a string or a filter in parentheses. */
  #key(): Node | undefined {
    const lexer = this.#lexer;
    const token = lexer.peek();
    if (token.kind === "word" || token.kind === "number") {
      lexer.next();
      return { kind: "literal", value: token.text };
    }
    if (token.kind === "string" || token.kind === "format") return this.#term();
    if (!lexer.takes("(")) return undefined;
    const node = this.#pipe();
    lexer.expect(")");
    return node;
  }

  #unexpectedKey(): never {
    throw this.#lexer.unexpected("a key");
  }

  /** Behind the quote that opens it. */
  #string(format: string | undefined): Node {
    const parts: (string | Node)[] = [];
    for (;;) {
      const { text, isLast } = this.#lexer.stringPart();
      if (isLast && parts.length === 0) return { kind: "literal", value: text };
      if (text !== "") parts.push(text);
      if (isLast) return { kind: "string", format, parts };
      parts.push(this.#pipe());
      if (!this.#lexer.sees(")")) throw this.#lexer.unexpected("')'");
      this.#lexer.next();
    }
  }

  #location(at: number): Node {
    const line = this.#lexer.source.slice(0, at).split("\n").length;
    return { kind: "literal", value: { file: "<top-level>", line } };
  }
}

function index(target: Node, name: string): Node {
  return { kind: "index", target, key: { kind: "literal", value: name } };
}

/** Whole numbers keep all digits. */
function numberOf(text: string): number | bigint {
  const value = Number(text);
  return /^\d+$/.test(text) && !Number.isSafeInteger(value) && text.length <= 40
    ? BigInt(text)
    : value;
}

function isComparison(text: string): text is BinaryOperator {
  return COMPARISONS.has(text);
}

function isUpdate(text: string): text is Extract<Node, { kind: "update" }>["operator"] {
  return UPDATES.has(text);
}
