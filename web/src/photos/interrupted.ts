/** Where somebody was who left to buy credits: the choice is kept. */

const KEPT_AS = "rekindle-interrupted";

export function interruptAt(address: string): void {
  sessionStorage.setItem(KEPT_AS, address);
}

/** The address to go on at, told once. */
export function interrupted(): string | null {
  const address = sessionStorage.getItem(KEPT_AS);
  sessionStorage.removeItem(KEPT_AS);
  return address;
}
