exports = async ({ name, code }) => {
  if (code !== context.values.get("code")) throw new Error("Authentication failed");
  return { id: `shop-${name}`, name };
};
