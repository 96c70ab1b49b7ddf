// A seeded source of chance: the same seed, the same case, on every machine.
export class Random {
  constructor(seed) {
    // splitmix32 over both halves of the seed, so that neighbours share nothing
    this.state = (Math.imul(seed >>> 0, 0x9e3779b1) ^
      Math.imul(Math.floor(seed / 2 ** 32) + 1, 0x85ebca6b)) >>> 0;
    this.next();
    this.next();
  }

  // 32 bits.
  next() {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  below(n) {
    return this.next() % n;
  }

  chance(percent) {
    return this.next() % 100 < percent;
  }

  pick(items) {
    return items[this.next() % items.length];
  }

  bits64() {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }

  // One of [weight, item].
  weighted(table) {
    let total = 0;
    for (const [weight] of table) {
      total += weight;
    }
    let at = this.below(total);
    for (const [weight, item] of table) {
      at -= weight;
      if (at < 0) {
        return item;
      }
    }
    return table[0][1];
  }
}
