exports = async function withRetry(work, { times = 3, wait = 1 } = {}) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (err) {
      if (attempt >= times) throw err;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
};
