exports = async ({ body }, response) => {
  response.setStatusCode(202);
  return { put: body.text() };
};
