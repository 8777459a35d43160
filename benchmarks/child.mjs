/** Measures one case and prints its metrics as JSON: `node --expose-gc child.mjs <bench> <case id> <scale>`. */

const [name, id, scale] = process.argv.slice(2);
const { default: bench } = await import(`./${name}.mjs`);
const what = bench.cases.find((candidate) => candidate.id === id);
const metrics = await bench.measure(what, Number(scale));
process.stdout.write(JSON.stringify(metrics));
