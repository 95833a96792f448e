// SPDX-License-Identifier: Apache-2.0
// Amounts are decimal text from the API to the screen. What must be exact is added as BigInt; only widths of bars and axes are floats.

const SCALE = 18;
const SHAPE = /^([-+]?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d{1,3}))?$/;

// "1.5e-7" -> "0.00000015"; null if it is no number.
export function plain(text) {
    const m = SHAPE.exec(String(text ?? "").trim());
    if (!m) return null;
    let whole = m[2],
        part = m[3] ?? "";
    const shift = Number(m[4] ?? 0);
    if (shift > 0) {
        part = part.padEnd(shift, "0");
        whole += part.slice(0, shift);
        part = part.slice(shift);
    } else if (shift < 0) {
        whole = whole.padStart(1 - shift, "0");
        part = whole.slice(shift) + part;
        whole = whole.slice(0, shift);
    }
    whole = whole.replace(/^0+(?=\d)/, "");
    part = part.replace(/0+$/, "");
    const zero = whole === "0" && part === "";
    return (m[1] === "-" && !zero ? "-" : "") + whole + (part ? "." + part : "");
}

function units(text) {
    const p = plain(text) ?? "0";
    const negative = p.startsWith("-");
    const [whole, part = ""] = p.replace("-", "").split(".");
    const n = BigInt(whole + part.slice(0, SCALE).padEnd(SCALE, "0"));
    return negative ? -n : n;
}

function fromUnits(n) {
    const digits = (n < 0n ? -n : n).toString().padStart(SCALE + 1, "0");
    return plain((n < 0n ? "-" : "") + digits.slice(0, -SCALE) + "." + digits.slice(-SCALE));
}

export const sum = (texts) => fromUnits(texts.reduce((n, t) => n + units(t), 0n));
export const subtract = (a, b) => fromUnits(units(a) - units(b));
export const compare = (a, b) => {
    const d = units(a) - units(b);
    return d < 0n ? -1 : d > 0n ? 1 : 0;
};
export const isZero = (text) => units(text) === 0n;
export const divide = (text, n) => fromUnits(units(text) / BigInt(n));

// The integer part with separators, at least two decimals, every other digit as it is.
export function usd(text) {
    const p = plain(text);
    if (p === null) return "–";
    const [whole, part = ""] = p.replace("-", "").split(".");
    return (p.startsWith("-") ? "−$" : "$") + whole.replace(/\B(?=(\d{3})+$)/g, ",") + "." + part.padEnd(2, "0");
}

// An estimate, to be shown behind "about": three digits that count.
export function roughly(text) {
    const p = plain(text) ?? "0";
    const [whole, part = ""] = p.split(".");
    if (whole.replace("-", "") !== "0") return usd(whole + "." + part.slice(0, 2));
    const zeros = /^0*/.exec(part)[0].length;
    return usd("0." + part.slice(0, Math.max(2, zeros + 3)));
}

// 0.3 -> "30 %"; exact.
export function percent(text) {
    const p = plain(String(plain(text) ?? 0) + "e2");
    return `${p} %`;
}

// For geometry only.
export const toFloat = (text) => Number(plain(text) ?? 0);

// What a person typed as an amount: text for the API, or null.
export function typedAmount(text) {
    const t = String(text)
        .trim()
        .replace(/^\$/, "")
        .replace(/,(?=\d{3}(\D|$))/g, "");
    return /^\d{1,9}(\.\d{1,9})?$/.test(t) ? plain(t) : null;
}
