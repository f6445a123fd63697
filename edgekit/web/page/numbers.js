// Numbers as Python and numpy have them.

/** Rounds half to even. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}

export function max(values) {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}

/** The value below which `percent` of the values are, interpolated linearly. */
export function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const place = ((sorted.length - 1) * percent) / 100;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

export function median(values) {
  return percentile(values, 50);
}

/**
 * The coefficients for which the weighted sum of the terms is closest to the values at the chosen places: normal
 * equations, solved by elimination.
 */
export function leastSquares(terms, values, places) {
  const size = terms.length;
  const matrix = terms.map(() => new Float64Array(size + 1));
  for (let i = 0; i < size; i++) {
    for (let j = i; j < size; j++) matrix[j][i] = matrix[i][j] = productSum(terms[i], terms[j], places);
    matrix[i][size] = productSum(terms[i], values, places);
  }
  const smallest = 1e-12 * places.length;
  for (let i = 0; i < size; i++) {
    let pivot = i;
    for (let k = i + 1; k < size; k++) if (Math.abs(matrix[k][i]) > Math.abs(matrix[pivot][i])) pivot = k;
    [matrix[i], matrix[pivot]] = [matrix[pivot], matrix[i]];
    // A term that the rows do not determine gets no part.
    if (Math.abs(matrix[i][i]) < smallest) {
      matrix[i].fill(0);
      matrix[i][i] = 1;
    }
    for (let k = 0; k < size; k++) {
      if (k === i) continue;
      const factor = matrix[k][i] / matrix[i][i];
      for (let j = i; j <= size; j++) matrix[k][j] -= factor * matrix[i][j];
    }
  }
  return matrix.map((row, i) => row[size] / row[i]);
}

function productSum(left, right, places) {
  let total = 0;
  for (let i = 0; i < places.length; i++) total += left[places[i]] * right[places[i]];
  return total;
}
