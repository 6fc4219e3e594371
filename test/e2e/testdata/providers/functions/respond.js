exports = (request, response) => {
  response.setStatusCode(418);
  response.setHeader("X-Pot", "tea");
  response.addHeader("X-Pot", "mint");
  response.setBody(`short and ${request.query.size}`);
};
