export default { test: { globalSetup: './understudy.js' } };
