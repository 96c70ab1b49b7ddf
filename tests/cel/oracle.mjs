// The other implementation: @bufbuild/cel, with the extensions it lacks and its known faults
// mended.
import { celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { strings } from '@bufbuild/cel/ext';

import { extensions, lastResorts } from './extensions.mjs';
import { faultyAcceptance, faultyRefusal, mendAst, mendFunctions } from './faults.mjs';
import { oracleText, toOracle } from './values.mjs';

export class Oracle {
  // `mended` counts, by the name of a fault, how often it was mended.
  constructor(mended) {
    this.mended = mended;
    this.environments = new Map();
  }

  environment(namespace) {
    let env = this.environments.get(namespace);
    if (env === undefined) {
      const funcs = [...strings, ...extensions];
      const plain = celEnv({ funcs });
      env = celEnv({ namespace,
        funcs: [...funcs, ...mendFunctions(plain, this.mended), ...lastResorts] });
      this.environments.set(namespace, env);
    }
    return env;
  }

  // A function from bindings to a canonical text, or {error}; {refused} when it is no expression,
  // with the `fault` of its parser where it is one.
  compile(text, namespace = '') {
    try {
      const parsed = parse(text);
      const fault = faultyAcceptance(text, this.mended);
      if (fault) {
        return { refused: fault };
      }
      mendAst(parsed.expr, text, this.mended);
      const run = plan(this.environment(namespace), parsed);
      return (bindings) => {
        try {
          const value = run(bindings);
          return isCelError(value) ? { error: value.message } : { text: oracleText(value) };
        } catch (error) {
          return { error: String(error) };
        }
      };
    } catch (error) {
      const why = String(error.message ?? error);
      return { refused: why, fault: faultyRefusal(text, this.mended) };
    }
  }

  bindings(names, values) {
    const made = {};
    names.forEach((name, i) => {
      if (values[i] !== undefined) {
        made[name] = toOracle(values[i]);
      }
    });
    return made;
  }
}
