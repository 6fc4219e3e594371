// Prices are in cents. Returns what the checkout writes; the caller may pass how to round.
exports = function (lines, round) {
  var vat = context.values.get("vat");
  net = 0;
  for (const { product, quantity } of lines) net += product.price * quantity;
  const taxed = lines.filter((l) => !l.product.tags.some((t) => vat.exempt.includes(t)));
  const tax = round(taxed.reduce((sum, l) => sum + l.product.price * l.quantity, 0) * vat.rate);
  return { net, tax, total: net + tax, items: lines.length };
};
